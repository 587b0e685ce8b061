//! The services as a connection sees them: what is asked and answered, and in which frames.

use hallpass_protocol::auth::{AuthRequest, AuthResponse};
use hallpass_protocol::hello::Service;
use hallpass_protocol::limits::AUTH_FRAME;
#[cfg(feature = "admin")]
use hallpass_protocol::{
    admin::{AdminRequest, AdminResponse},
    limits::ADMIN_FRAME,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::coalesce::AuthErrand;
use crate::desk::{Call, Errand};

/// One of the daemon's services.
pub(crate) trait Calls: Sized + 'static {
    /// What is asked.
    type Request: Serialize;
    /// What is answered.
    type Response: DeserializeOwned + Send + 'static;
    /// How a request travels, and who waits for its answer.
    type Errand: Errand<Self> + From<Call<Self>>;
    /// The service to ask for in the hello.
    const SERVICE: Service;
    /// The largest frame of the service, in bytes.
    const FRAME: usize;
}

/// The calls of apps.
pub(crate) struct AuthCalls;

impl Calls for AuthCalls {
    type Request = AuthRequest;
    type Response = AuthResponse;
    type Errand = AuthErrand;
    const SERVICE: Service = Service::Auth;
    const FRAME: usize = AUTH_FRAME;
}

/// The calls of administrators.
#[cfg(feature = "admin")]
pub(crate) struct AdminCalls;

#[cfg(feature = "admin")]
impl Calls for AdminCalls {
    type Request = AdminRequest;
    type Response = AdminResponse;
    type Errand = Call<Self>;
    const SERVICE: Service = Service::Admin;
    const FRAME: usize = ADMIN_FRAME;
}

/// Takes one call's answer out of a response, or nothing if the response belongs to another call.
///
/// The client that tarpc generates panics there instead, and a broken daemon must not be able to bring an app down.
macro_rules! answer {
    ($response:ident::$call:ident) => {
        |response| match response {
            $response::$call(answer) => Some(answer),
            _ => None,
        }
    };
}
pub(crate) use answer;

// Verifies Hallpass's access tokens in Node: by jose and the published keys, and by the board, so that what was taken back is seen at once.
//
//     npm install jose
//     printf '%s\n' "$TOKEN" | node verify.mjs /run/hallpass/daemon shop
//
// The directory is the one with `board` and `jwks.json`; `shop` is your app, as the configuration of hallpassd names it. Whatever cannot be told here is
// asked by the command `hallpass verify`, so this runs as a user that is the app. `Hallpass.verify` is what a web framework's middleware calls.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { endianness } from "node:os";
import { createInterface } from "node:readline";
import { errors, importJWK, jwtVerify } from "jose";

const LEASE_NANOS = 5_000_000_000n;
const CLAIMS = ["iss", "sub", "aud", "client_id", "exp", "iat", "jti", "sid", "auth_time", "acr", "roles"];

// The token is not good, or nobody can say: `code` is one of Hallpass's.
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

// A page of memory that only the daemon writes. It says whether what was known at a stamp is still true, or is to be asked about.
// Node maps no files, so each word is read by a call of its own, in the order that matters.
class Board {
  constructor(path) {
    this.file = openSync(path, "r");
    const head = this.bytes(0, 80);
    const half = (at) => (endianness() === "LE" ? head.readUInt32LE(at) : head.readUInt32BE(at));
    const booted = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim().replaceAll("-", "");
    if (head.toString("latin1", 0, 8) !== "hallboar" || half(8) !== 1 || head.toString("hex", 64, 80) !== booted) {
      this.close();
      throw new Error(`${path} is no board of layout 1 and of this boot`);
    }
    this.slots = BigInt(half(12));
    this.key = head.subarray(16, 48);
  }

  close() {
    closeSync(this.file);
  }

  bytes(at, length) {
    const buffer = Buffer.alloc(length);
    if (readSync(this.file, buffer, 0, length, at) !== length) throw new Error("the board has been cut");
    return buffer;
  }

  word(at) {
    const bytes = this.bytes(at, 8);
    return endianness() === "LE" ? bytes.readBigUInt64LE() : bytes.readBigUInt64BE();
  }

  slot(identifier) {
    const digest = createHmac("sha256", this.key).update(identifier).digest();
    return this.word(4096 + 8 * Number(digest.readBigUInt64BE() % this.slots));
  }

  // 0 is a board that was closed; one that reaches further than any lease is of another clock.
  isBelieved() {
    const left = this.word(128) - process.hrtime.bigint();
    return left > 0n && left <= LEASE_NANOS;
  }

  keys() {
    return this.word(200);
  }

  // The lease is read first: whoever sees one sees all that was written before it. `visible` comes before the slots for the same reason.
  stands(stamp, session, user, keys) {
    return (
      this.isBelieved() &&
      this.keys() === keys &&
      stamp <= this.word(192) &&
      this.word(136) <= stamp &&
      this.slot(session) <= stamp &&
      this.slot(user) <= stamp
    );
  }

  seconds() {
    return Number(this.word(208) / 1000n);
  }
}

export class Hallpass {
  constructor(directory, audience, issuer = "hallpass", command = "hallpass", socket = undefined) {
    Object.assign(this, { directory, audience, issuer, command, socket });
    this.loaded = { version: undefined, keys: new Map() };
  }

  // Who bears the token: `sub`, `sid` and the roles they have now. Throws `Refused`.
  async verify(token) {
    return (await this.known(token)) ?? (await this.ask(token));
  }

  // What can be told here, or nothing: then the daemon is to be asked.
  async known(token) {
    const board = this.believedBoard();
    if (!board) return undefined;
    // The version first: the file is written before the board says so, so what is read now is of that version or newer.
    const version = board.keys();
    if (version !== this.loaded.version) {
      const keys = await this.readKeys().catch(() => undefined);
      if (!keys) return undefined;
      this.loaded = { version, keys };
    }
    const { keys } = this.loaded;
    let said;
    try {
      const keyOf = ({ kid, ...rest }) => {
        if (Object.keys(rest).sort().join() !== "alg,typ") throw new Refused("invalid_token");
        if (!keys.has(kid)) throw new UnknownKey();
        return keys.get(kid);
      };
      const { audience, issuer } = this;
      const wanted = { algorithms: ["EdDSA"], typ: "at+jwt", audience, issuer, requiredClaims: CLAIMS };
      said = (await jwtVerify(token, keyOf, wanted)).payload;
    } catch (error) {
      if (error instanceof UnknownKey) return undefined;
      if (error instanceof errors.JWTExpired) throw new Refused("token_expired");
      throw new Refused("invalid_token");
    }
    if (said.exp <= board.seconds()) throw new Refused("token_expired");
    // A raised level ends before the token does, which only the daemon knows.
    const stamp = Buffer.from(said.jti, "base64url").readBigUInt64BE();
    if (said.acr !== "1" || !board.stands(stamp, ulid(said.sid), ulid(said.sub), version)) return undefined;
    return { way: "board", sub: said.sub, sid: said.sid, roles: said.roles };
  }

  // The board, opened anew where the one at hand says no more: another one may lie in its place.
  believedBoard() {
    try {
      if (this.board?.isBelieved()) return this.board;
      this.board?.close();
      this.board = undefined;
      this.board = new Board(`${this.directory}/board`);
      return this.board.isBelieved() ? this.board : undefined;
    } catch {
      return undefined;
    }
  }

  async readKeys() {
    const { keys } = JSON.parse(readFileSync(`${this.directory}/jwks.json`, "utf8"));
    return new Map(await Promise.all(keys.map(async (key) => [key.kid, await importJWK(key, "EdDSA")])));
  }

  async ask(token) {
    const socket = this.socket ? ["--socket", this.socket] : [];
    const asked = spawn(this.command, [...socket, "verify", "-", "--json", "--audience", this.audience]);
    asked.stdin.end(`${token}\n`);
    let printed = "";
    asked.stdout.on("data", (data) => (printed += data));
    const status = await new Promise((done, failed) => asked.on("close", done).on("error", failed));
    const answer = JSON.parse(printed || "{}");
    if (status !== 0) throw new Refused(answer.error?.code ?? "unavailable");
    return { way: "daemon", sub: answer.user_id, sid: answer.session_id, roles: answer.roles };
  }
}

class UnknownKey extends Error {}

// The 16 bytes behind 26 characters of Crockford's base32.
function ulid(text) {
  let number = 0n;
  for (const character of text) number = number * 32n + BigInt("0123456789ABCDEFGHJKMNPQRSTVWXYZ".indexOf(character));
  return Buffer.from(number.toString(16).padStart(32, "0"), "hex");
}

if (process.argv[1] === import.meta.filename) {
  const hallpass = new Hallpass(...process.argv.slice(2));
  for await (const line of createInterface({ input: process.stdin })) {
    const answer = await hallpass.verify(line.trim()).catch((error) => {
      if (!(error instanceof Refused)) throw error;
      return { refused: error.code };
    });
    console.log(JSON.stringify(answer));
  }
}

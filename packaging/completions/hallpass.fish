# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_hallpass_global_optspecs
    string join \n json socket= h/help V/version
end

function __fish_hallpass_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_hallpass_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_hallpass_using_subcommand
    set -l cmd (__fish_hallpass_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c hallpass -n "__fish_hallpass_needs_command" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_needs_command" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_needs_command" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_needs_command" -s V -l version -d 'Print version'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "tour" -d 'See the whole story'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "status" -d 'Show how it is doing'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "top" -d 'Watch what it does'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "metrics" -d 'Print counts for Prometheus'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "bench" -d 'Measure this host'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "doctor" -d 'Say what is wrong'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "user" -d 'See to users'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "login" -d 'Open a session'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "verify" -d 'Check a token'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "refresh" -d 'Exchange a refresh token'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "revoke" -d 'End sessions'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "session" -d 'See to sessions'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "revocation" -d 'List what was taken back'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "key" -d 'See to keys'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "audit" -d 'Read the audit chain'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "clock" -d 'See to the daemon\'s time'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "export" -d 'The same as `user export`'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "import" -d 'The same as `user import`'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "config" -d 'Check or show settings'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "backup" -d 'Copy the database'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "check" -d 'Check a database file'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "compact" -d 'Shrink a database file'
complete -c hallpass -n "__fish_hallpass_needs_command" -f -a "restore" -d 'Bring back a backup'
complete -c hallpass -n "__fish_hallpass_using_subcommand tour" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand tour" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand tour" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand status" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand status" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand top" -l interval -d 'How long to look at a time, 1 to 60; with --once also 0, for all since the daemon\'s start' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand top" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand top" -l once -d 'Print one snapshot and end: what happened in one interval'
complete -c hallpass -n "__fish_hallpass_using_subcommand top" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand metrics" -l output -d 'Put it into this file in one step, readable for everybody, instead of printing it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand metrics" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand metrics" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand metrics" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand bench" -l seconds -d 'How long to measure each operation, 1 to 30' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand bench" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand bench" -l running -d 'Measure the daemon that runs, by calls that change nothing there'
complete -c hallpass -n "__fish_hallpass_using_subcommand bench" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand bench" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -l config -d 'The configuration, for a daemon that serves the whole host' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -l state-dir -d 'Where the database lies, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -l runtime-dir -d 'Where the sockets go, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "add" -d 'Add a user'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "list" -d 'List all users'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "show" -d 'Show one user'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "enable" -d 'Let a user log in again'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "disable" -d 'End a user\'s sessions and let them log in no more'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "remove" -d 'Remove a user with all their sessions'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "passwd" -d 'Set a user\'s password and end their sessions'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "roles" -d 'Replace a user\'s roles'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "rename" -d 'Give a user another name'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "set" -d 'Replace what is kept of a user besides their roles'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "code" -d 'Make a code with which a user sets a password once'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "import" -d 'Add the users of another program or daemon with their passwords'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and not __fish_seen_subcommand_from add list show enable disable remove passwd roles rename set code import export" -f -a "export" -d 'Write all users down, one a line, as `import` takes them'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -l role -d 'A role to give; may be repeated' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -l password-stdin -d 'Take the password from the first line of stdin'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -l no-password -d 'Add the user without a password: they cannot log in with one until it is set'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from list" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from show" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from enable" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from enable" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from enable" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from disable" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from disable" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from disable" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from remove" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from remove" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from remove" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from passwd" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from passwd" -l password-stdin -d 'Take the password from the first line of stdin'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from passwd" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from roles" -l set -d 'The roles to have from now on, with commas between; \'\' for none' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from roles" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from roles" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from roles" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from rename" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from rename" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from rename" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from set" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from set" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from code" -l out -d 'Write the code to this new file, for you alone, instead of the terminal' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from code" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from code" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from code" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from import" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from import" -l dry-run -d 'Only say what would become of each line'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from import" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from export" -l out -d 'Write to this new file, for you alone, instead of stdout; it gets its name once it is whole' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from export" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from export" -l with-hashes -d 'Take the hashes of passwords along'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from export" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand user; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l kind -d 'The kind of session to open' -r -f -a "token\t'An access and a refresh token'
cookie\t'One session token, for a cookie'"
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l audience -d 'Whom the access token is for' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l device-label -d 'A name for this device that its user will recognise' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l code -d 'Set a new password with a code: asks for both, or takes them from two lines of stdin'
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l password-stdin -d 'Take the password from the first line of stdin'
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand login" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l role -d 'A role the user must have; may be repeated' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l audience -d 'Whom an access token must be for' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l max-auth-age -d 'The longest time since the user last proved who they are' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l level -d 'The least level of that proof' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand refresh" -l audience -d 'Whom the access token is for' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand refresh" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand refresh" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand refresh" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l token -d 'The session of a token: `-` takes it from the first line of stdin; without it you are asked' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l session -d 'This session, of any app' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l user -d 'All sessions of this user' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l app -d 'All sessions that this app opened' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l key -d 'Every access token that this key signed, by its KID; asks first' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l all -d 'Every session there is; asks first'
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -f -a "list" -d 'List a user\'s living sessions'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -f -a "show" -d 'Show one session, alive or not'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and not __fish_seen_subcommand_from list show revoke" -f -a "revoke" -d 'End one session, or those of a user'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from list" -l user -d 'Whose' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from list" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from show" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from revoke" -l user -d 'All sessions of this user' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from revoke" -l except -d 'But for this one of theirs' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from revoke" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from revoke" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand session; and __fish_seen_subcommand_from revoke" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and not __fish_seen_subcommand_from list" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and not __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and not __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and not __fish_seen_subcommand_from list" -f -a "list" -d 'Print what access tokens may still be out for, oldest first'
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and __fish_seen_subcommand_from list" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand revocation; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -f -a "jwks" -d 'Print the keys that access tokens are signed with, as a JWK set'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -f -a "list" -d 'List the keys there are'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -f -a "rotate" -d 'Bring in a new key; the old ones verify until their last tokens are over'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -f -a "retire" -d 'Take a signing key back: every access token it signed ends at once; asks first'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and not __fish_seen_subcommand_from jwks list rotate retire reseal" -f -a "reseal" -d 'Change the master key that seals the others'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from jwks" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from jwks" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from jwks" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from list" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -l mac -d 'The key of session, refresh and device tokens, not the one that signs access tokens'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -l emergency -d 'The old keys are gone at once: every access token ends or, with --mac, every session; asks first'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from retire" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from retire" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from retire" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from retire" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from reseal" -l new-key -d 'Take this key, 32 bytes in a file of yours or on stdin (`-`), instead of having the daemon make one' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from reseal" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from reseal" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand key; and __fish_seen_subcommand_from reseal" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -f -a "tail" -d 'Print the newest entries, oldest first'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -f -a "export" -d 'Print all entries as JSON Lines, oldest first'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and not __fish_seen_subcommand_from tail export verify" -f -a "verify" -d 'Find out whether anybody has changed the chain'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l count -d 'How many' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l after -d 'Those that come after this number' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l user -d 'Only those about this user, by name or user id' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l app -d 'Only those by this app' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l event -d 'Only this event, such as `login.locked`, or all that begin with it and a dot' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l since -d 'Only those since then: `2h` ago, or a time such as 2026-11-01T00:00:00Z' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l after -d 'Those that come after this number' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l user -d 'Only those about this user, by name or user id' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l app -d 'Only those by this app' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l event -d 'Only this event, such as `login.locked`, or all that begin with it and a dot' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l since -d 'Only those since then: `2h` ago, or a time such as 2026-11-01T00:00:00Z' -r
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l against -d 'Hold the chain against the checkpoints in this file, such as a log; `-` is stdin' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'The configuration, for a daemon that serves the whole host' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l state-dir -d 'Where the database lies, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l runtime-dir -d 'Where the sockets go, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and not __fish_seen_subcommand_from accept" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and not __fish_seen_subcommand_from accept" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and not __fish_seen_subcommand_from accept" -s h -l help -d 'Print help'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and not __fish_seen_subcommand_from accept" -f -a "accept" -d 'Follow the system\'s clock after a jump ahead of more than a day; asks first'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and __fish_seen_subcommand_from accept" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and __fish_seen_subcommand_from accept" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and __fish_seen_subcommand_from accept" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand clock; and __fish_seen_subcommand_from accept" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand export" -l out -d 'Write to this new file, for you alone, instead of stdout; it gets its name once it is whole' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand export" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand export" -l with-hashes -d 'Take the hashes of passwords along'
complete -c hallpass -n "__fish_hallpass_using_subcommand export" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand import" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand import" -l dry-run -d 'Only say what would become of each line'
complete -c hallpass -n "__fish_hallpass_using_subcommand import" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and not __fish_seen_subcommand_from check show" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and not __fish_seen_subcommand_from check show" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and not __fish_seen_subcommand_from check show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "check" -d 'Check a configuration, and say what is wrong with it'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and not __fish_seen_subcommand_from check show" -f -a "show" -d 'Show every setting, its value and where that comes from'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from check" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from check" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -l state-dir -d 'Where the database would lie, as told to the daemon' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -l runtime-dir -d 'Where the sockets would go, as told to the daemon' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -l set -d 'Show only what is set somewhere'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand backup" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand backup" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand backup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -l config -d 'The configuration, for a daemon that serves the whole host' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -l state-dir -d 'Where the database lies, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -l runtime-dir -d 'Where the sockets go, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -l config -d 'The configuration, for a daemon that serves the whole host' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -l state-dir -d 'Where the database lies, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -l runtime-dir -d 'Where the sockets go, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand compact" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l config -d 'The configuration, for a daemon that serves the whole host' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l state-dir -d 'Where the database lies, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l runtime-dir -d 'Where the sockets go, if not where the configuration says' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l socket -d 'The apps\' socket; the admin socket lies beside it' -r -F
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l yes -d 'Do not ask'
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -l json -d 'Print JSON: one object, or one a line for a list'
complete -c hallpass -n "__fish_hallpass_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'

/* From what Redis answers to the state that it is in. */

#include <criterion/criterion.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/redis/redis_state.h"

struct row {
    int code;
    const char *text;
    enum redis_state state;
};

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum redis_state state = redis_state_of(rows[i].code, rows[i].text);

        cr_expect_eq(state, rows[i].state, "%s: %s instead of %s", rows[i].text,
                     redis_state_word(state), redis_state_word(rows[i].state));
    }
}

Test(redis_state, each_error_reply_of_redis_is_one_state)
{
    static const struct row rows[] = {
        {-E_REJECTED, "OOM command not allowed when used memory > 'maxmemory'.",
         REDIS_REFUSES_WRITES},
        {-E_REJECTED,
         "ERR Error running script (call to f_12): @user_script:1: -OOM command not allowed when "
         "used memory > 'maxmemory'",
         REDIS_REFUSES_WRITES},
        {-E_REJECTED, "READONLY You can't write against a read only replica.",
         REDIS_REFUSES_WRITES},
        {-E_REJECTED,
         "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "
         "on disk.",
         REDIS_REFUSES_WRITES},
        {-E_REJECTED, "NOREPLICAS Not enough good replicas to write.", REDIS_REFUSES_WRITES},
        {-E_REJECTED, "NOAUTH Authentication required.", REDIS_REFUSES_US},
        {-E_REJECTED, "WRONGPASS invalid username-password pair or user is disabled.",
         REDIS_REFUSES_US},
        {-E_REJECTED, "NOPERM this user has no permissions to run the 'xadd' command",
         REDIS_REFUSES_US},
        {-E_REJECTED, "NOPERM No permissions to access a key", REDIS_REFUSES_US},
        {-E_REJECTED,
         "ERR ACL failure in script: User default has no permissions to run the 'xadd' command "
         "script: e81023de, on @user_script:1.",
         REDIS_REFUSES_US},
        {-E_REJECTED, "ERR ACL failure in script: No permissions to access a key script: b0a79c08",
         REDIS_REFUSES_US},
        {-E_REJECTED,
         "ERR The user executing the script can't run this command or subcommand script: 5a4f8a36",
         REDIS_REFUSES_US},
        {-E_REJECTED, "DENIED Redis is running in protected mode", REDIS_REFUSES_US},
        {-E_REJECTED, "ERR max number of clients reached", REDIS_REFUSES_US},
        {-E_REJECTED, "LOADING Redis is loading the dataset in memory", REDIS_NOT_READY},
        {-E_REJECTED, "MASTERDOWN Link with MASTER is down", REDIS_NOT_READY},
        {-E_REJECTED, "CLUSTERDOWN The cluster is down", REDIS_NOT_READY},
        {-E_REJECTED, "TRYAGAIN Multiple keys request during rehashing of slot", REDIS_NOT_READY},
        {-E_REJECTED, "BUSY Redis is busy running a script.", REDIS_NOT_READY},
        {-E_REJECTED, "ERR unknown command 'XADD', with args beginning with:", REDIS_STRANGE},
        {-E_REJECTED, "WRONGTYPE Operation against a key holding the wrong kind of value",
         REDIS_STRANGE},
        {-E_REJECTED, "", REDIS_STRANGE},
        {-E_REJECTED, NULL, REDIS_STRANGE},
    };

    check(rows, ARRAY_LENGTH(rows));
}

Test(redis_state, what_only_says_that_it_forgot_is_no_state)
{
    static const struct row rows[] = {
        {0, "", REDIS_SERVES},
        {0, NULL, REDIS_SERVES},
        {-E_CANCELED, "cancelled while waiting for Redis", REDIS_SERVES},
        {-E_REJECTED, "NOSCRIPT No matching script. Please use EVAL.", REDIS_SERVES},
        {-E_REJECTED, "NOGROUP No such key 'q:{s00}:p0' or consumer group 'w'", REDIS_SERVES},
        {-E_REJECTED, "BUSYGROUP Consumer Group name already exists", REDIS_SERVES},
        {-E_REJECTED, "UNBLOCKED the stream key no longer exists", REDIS_SERVES},
    };

    check(rows, ARRAY_LENGTH(rows));
}

Test(redis_state, without_a_connection_the_reason_counts_if_there_is_one)
{
    static const struct row rows[] = {
        {-E_UNAVAILABLE, "Redis is not connected: connecting: connection refused", REDIS_AWAY},
        {-E_UNAVAILABLE,
         "Redis is not connected: Redis is not ready yet: LOADING Redis is loading the dataset",
         REDIS_NOT_READY},
        {-E_UNAVAILABLE, "Redis is not connected: Redis refused to let us in: WRONGPASS invalid",
         REDIS_REFUSES_US},
        {-E_UNAVAILABLE, "Redis is not connected: Redis refused the connection: MISCONF Redis is",
         REDIS_REFUSES_WRITES},
        {-E_UNAVAILABLE,
         "Redis is not connected: no reply of Redis for 1500 ms: taken for half-open", REDIS_SLOW},
        {-E_UNAVAILABLE, "Redis is not connected: Redis did not answer the greeting in time",
         REDIS_SLOW},
        {-E_UNAVAILABLE, "Redis is not connected: Redis refused to let us in: ERR AUTH",
         REDIS_REFUSES_US},
        {-E_DENIED, "Redis refused to let us in: ERR invalid password", REDIS_REFUSES_US},
        {-E_AMBIGUOUS, "the connection to Redis broke before the reply came", REDIS_AWAY},
        {-E_CLOSED, NULL, REDIS_AWAY},
        {-E_TIMEOUT, "timed out waiting for a reply of Redis", REDIS_SLOW},
        {-E_PROTOCOL, "no RESP", REDIS_STRANGE},
    };

    check(rows, ARRAY_LENGTH(rows));
}

Test(redis_state, a_word_counts_as_a_whole_only)
{
    static const struct row rows[] = {
        {-E_UNAVAILABLE, "the host ROOMS of Redis has no address", REDIS_AWAY},
        {-E_UNAVAILABLE, "the host BUSYBOX of Redis has no address", REDIS_AWAY},
    };

    check(rows, ARRAY_LENGTH(rows));
}

Test(redis_state, every_code_and_every_state_is_known)
{
    for (int code = 0; code <= E_INTERNAL; code++)
        cr_expect_lt(redis_state_of(-code, ""), REDIS_STATES);
    for (int state = 0; state < REDIS_STATES; state++)
        cr_expect_gt(strlen(redis_state_word((enum redis_state)state)), 3);
}

/* From answers to states, as a table of words: Redis names the kind of an error in its first word.
 * A script's error has it behind a prefix ("ERR Error running script …: -OOM command …" before
 * Redis 7), and ours are wrapped, so it is looked for anywhere, as a whole word in capitals.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */

#include "shared/redis/redis_state.h"

#include <string.h>

#include "shared/base/error.h"

static const struct {
    const char *word;
    enum redis_state state;
} words[] = {
    {"OOM", REDIS_REFUSES_WRITES},
    {"READONLY", REDIS_REFUSES_WRITES},
    {"MISCONF", REDIS_REFUSES_WRITES},
    {"NOREPLICAS", REDIS_REFUSES_WRITES},
    {"NOAUTH", REDIS_REFUSES_US},
    {"WRONGPASS", REDIS_REFUSES_US},
    {"NOPERM", REDIS_REFUSES_US},
    {"DENIED", REDIS_REFUSES_US}, /* protected mode */
    {"max number of clients", REDIS_REFUSES_US},
    {"The user executing the script", REDIS_REFUSES_US}, /* Redis 7.0: "can't run this …" */
    {"ACL failure in script", REDIS_REFUSES_US},         /* Redis 8 */
    {"refused to let us in", REDIS_REFUSES_US},
    {"taken for half-open", REDIS_SLOW},
    {"did not answer the greeting", REDIS_SLOW},
    {"LOADING", REDIS_NOT_READY},
    {"MASTERDOWN", REDIS_NOT_READY},
    {"CLUSTERDOWN", REDIS_NOT_READY},
    {"TRYAGAIN", REDIS_NOT_READY},
    {"BUSY", REDIS_NOT_READY},
    {"NOSCRIPT", REDIS_SERVES},
    {"NOGROUP", REDIS_SERVES},
    {"BUSYGROUP", REDIS_SERVES},
    {"UNBLOCKED", REDIS_SERVES},
};

static bool is_word_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if ((at == text || !is_word_char(at[-1])) && !is_word_char(at[len]))
            return true;
    return false;
}

/* The state that a text names, or `otherwise`. */
static enum redis_state by_text(const char *text, enum redis_state otherwise)
{
    for (size_t i = 0; text && i < ARRAY_LENGTH(words); i++)
        if (has_word(text, words[i].word))
            return words[i].state;
    return otherwise;
}

enum redis_state redis_state_of(int code, const char *text)
{
    switch ((enum error_code) - code) {
    case E_NONE:
    case E_CANCELED:
        return REDIS_SERVES;
    case E_TIMEOUT:
        return REDIS_SLOW;
    case E_DENIED:
        return REDIS_REFUSES_US;
    case E_REJECTED:
        return by_text(text, REDIS_STRANGE);
    case E_PROTOCOL:
    case E_LIMIT:
    case E_CONTENT:
        return REDIS_STRANGE;
    case E_UNAVAILABLE: /* not connected, and the text may say why */
    case E_AMBIGUOUS:
    case E_CLOSED:
    case E_SYSTEM:
    case E_INVALID:
    case E_CONFLICT:
    case E_NOT_FOUND:
    case E_INTERNAL:
        return by_text(text, REDIS_AWAY);
    }
    return REDIS_AWAY;
}

const char *redis_state_word(enum redis_state state)
{
    static const char *const names[REDIS_STATES] = {
        "serves", "away", "not ready", "refuses writes", "refuses us", "slow", "answers strangely",
    };

    return names[state];
}

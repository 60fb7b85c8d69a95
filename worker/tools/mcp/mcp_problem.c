#include "worker/tools/mcp/mcp_problem.h"

#include "shared/base/error.h"
#include "shared/json/json_write.h"

/* The words are kept with runs: none may get another meaning. */
static const struct {
    const char *word;
    const char *code; /* for people */
    const char *phrase;
} ways[] = {
    {"away", "unreachable", "could not be reached"},
    {"refused", "credentials_refused", "could not be used with the credentials for it"},
    {"unfit", "setting_refused", "is not set up as it would have to be"},
    {"broken", "protocol_error", "answered in a way that can't be understood"},
};

enum { AWAY, REFUSED, UNFIT, BROKEN };

static size_t way_of(int r)
{
    if (r == -E_DENIED)
        return REFUSED;
    if (r == -E_INVALID || r == -E_NOT_FOUND || r == -E_CONTENT)
        return UNFIT;
    return r == -E_PROTOCOL || r == -E_LIMIT ? BROKEN : AWAY;
}

const char *mcp_away_word(int r)
{
    return ways[way_of(r)].word;
}

const char *mcp_away_phrase(struct text word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++)
        if (text_is(word, ways[i].word))
            return ways[i].phrase;
    return ways[AWAY].phrase;
}

static void write(struct json_write *w, struct text label, const char *code,
                  const struct buf *message)
{
    json_write_open_object(w, NULL);
    json_write_text(w, "server_label", label);
    json_write_string(w, "code", code);
    json_write_text(w, "message", buf_text(message));
    json_write_close(w);
}

void mcp_problem_away(struct json_write *w, struct text label, int r, const char *why)
{
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&message, 0);
    buf_printf(&message, "its tools are not in this run, since it %s", ways[way_of(r)].phrase);
    if (why)
        buf_printf(&message, ": %s", why);
    else
        buf_add_string(&message, "; it is the operator's, whose workers' logs say more");
    write(w, label, ways[way_of(r)].code, &message);
}

void mcp_problem_unknown(struct json_write *w, struct text label, struct text unknown,
                         struct text has)
{
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&message, 0);
    buf_printf(&message, "'allowed_tools' names what it has not: %.*s; it has %.*s",
               TEXT_ARGS(unknown), TEXT_ARGS(has.len > 0 ? has : TEXT("none")));
    write(w, label, "unknown_tools", &message);
}

void mcp_problem_left_out(struct json_write *w, struct text label, size_t count, int max)
{
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&message, 0);
    buf_printf(&message, "%zu of its tools are left out: a run has no more than %d tools", count,
               max);
    write(w, label, "too_many_tools", &message);
}

void mcp_problem_unfit(struct json_write *w, struct text label, size_t count, const char *why)
{
    CLEANUP(buf_deinit) struct buf message = {0};

    buf_init(&message, 0);
    buf_printf(&message, "%zu of its tools can't be used: %s", count, why);
    write(w, label, "unfit_tools", &message);
}

/* Narrowing a run's budget to that of its agent: smaller sums, and nothing milder at the limit. */

#include "shared/agent/narrow.h"

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

static int refuse(const char *name, struct text theirs, struct failure *failure)
{
    struct path budget = {NULL, "budget", 0};
    struct path member = {&budget, name, 0};

    return failure_set(failure, 400, &member, "budget_not_permitted",
                       "Invalid 'budget.%s': a run may have less than its assistant, and not more. "
                       "The assistant says %.*s.",
                       name, TEXT_ARGS(theirs));
}

/* The smaller of both is the run's to say; none of its own is the agent's. */
static int narrow_sum(const char *name, struct json_object *agents, struct json_object *said,
                      struct json_write *write, struct failure *failure)
{
    struct json_object *theirs = json_get(agents, name);
    struct json_object *own = json_get(said, name);

    if (theirs && own && json_object_get_int64(own) > json_object_get_int64(theirs))
        return refuse(name, json_text(theirs), failure);
    if (theirs || own)
        json_write_raw(write, name, json_text(own ? own : theirs));
    return 0;
}

static struct text at_limit_of(struct json_object *budget)
{
    struct text said = json_get_text(budget, "at_limit");

    return said.ptr ? said : TEXT("end");
}

/* To end is always allowed; to go on with a model, only where the agent says so, with that one. */
static int narrow_limit(struct json_object *agents, struct json_object *said,
                        struct json_write *write, struct failure *failure)
{
    struct text theirs = at_limit_of(agents ? agents : said);
    struct text model = json_get_text(agents ? agents : said, "fallback_model");
    struct text own = json_get(said, "at_limit") ? at_limit_of(said) : theirs;

    if (!text_is(own, "end") && !text_equal(own, theirs))
        return refuse("at_limit", theirs, failure);
    if (text_is(json_get_text(said, "at_limit"), "fallback") &&
        !text_equal(json_get_text(said, "fallback_model"), model))
        return refuse("fallback_model", model, failure);
    json_write_text(write, "at_limit", own);
    if (text_is(own, "fallback"))
        json_write_text(write, "fallback_model", model);
    return 0;
}

int narrow_budget(struct text agents_text, struct json_object *said, struct buf *out,
                  struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *agents = NULL;
    struct json_write write;
    int r;

    if (agents_text.ptr && json_decode(agents_text, JSON_DEPTH_DEFAULT, &agents, NULL) < 0)
        agents = NULL;
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    r = narrow_sum("max_tokens", agents, said, &write, failure);
    if (r == 0)
        r = narrow_sum("max_cost_micros", agents, said, &write, failure);
    if (r == 0)
        r = narrow_limit(agents, said, &write, failure);
    json_write_close(&write);
    return r;
}

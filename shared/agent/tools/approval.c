/* Rules of approvals: reading, narrowing. What they may look like is in check_approval.c. */

#include "shared/agent/tools/approval.h"

#include <json-c/json_pointer.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_raw.h"

/* By how much a call meets something. */
enum fit { FIT_NO, FIT_DOUBT, FIT_YES };

static bool is_word(struct json_object *rule, const char *word)
{
    return text_is(json_string(rule), word);
}

static bool is_never(struct json_object *rule)
{
    return !rule || is_word(rule, "never");
}

static bool is_number(struct json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

/* Wide enough for all integers, so that two numbers of accounts that are the same only as doubles
 * are two. */
static long double number_of(struct json_object *value)
{
    int64_t integer;

    if (json_object_is_type(value, json_type_double))
        return json_object_get_double(value);
    integer = json_object_get_int64(value);
    return integer == INT64_MAX ? (long double)json_object_get_uint64(value) : (long double)integer;
}

/* Numbers are the same when they mean the same: 1 and 1.0. */
static bool same(struct json_object *a, struct json_object *b)
{
    if (is_number(a) && is_number(b))
        return number_of(a) == number_of(b);
    return json_object_equal(a, b);
}

static enum fit fit_argument(struct json_object *condition, struct json_object *arguments)
{
    struct json_object *words = json_get(condition, "one_of");
    struct json_object *min = json_get(condition, "min");
    struct json_object *max = json_get(condition, "max");
    struct json_object *value = NULL;
    const char *path = json_get_string(condition, "path");

    if (!path || json_pointer_get(arguments, path, &value) != 0 || !value)
        return FIT_DOUBT; /* null is what models write for what they leave out */
    if (words) {
        for (size_t i = 0; i < json_object_array_length(words); i++)
            if (same(value, json_object_array_get_idx(words, i)))
                return FIT_YES;
        return FIT_NO;
    }
    if (!is_number(value) || (!min && !max))
        return FIT_DOUBT;
    if (min && !(number_of(value) >= number_of(min)))
        return FIT_NO;
    if (max && !(number_of(value) <= number_of(max)))
        return FIT_NO;
    return FIT_YES;
}

static bool is_named(struct json_object *names, struct text name)
{
    for (size_t i = 0; i < json_object_array_length(names); i++)
        if (text_equal(json_string(json_object_array_get_idx(names, i)), name))
            return true;
    return false;
}

static enum fit fit_filter(struct json_object *filter, struct text name,
                           struct json_object *arguments)
{
    struct json_object *names = json_get(filter, "tool_names");
    struct json_object *conditions = json_get(filter, "arguments");
    enum fit least = FIT_YES;

    if (names && !is_named(names, name))
        return FIT_NO;
    for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++) {
        enum fit fit = fit_argument(json_object_array_get_idx(conditions, i), arguments);

        if (fit < least)
            least = fit;
    }
    return least;
}

bool approval_needed(struct json_object *rule, struct text name, struct text arguments_text)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct json_object *always = json_get(rule, "always");
    struct json_object *never = json_get(rule, "never");

    if (is_never(rule))
        return false;
    if (!json_object_is_type(rule, json_type_object) ||
        json_decode(arguments_text, JSON_DEPTH_DEFAULT, &arguments, NULL) < 0)
        return true;
    if (always && fit_filter(always, name, arguments) != FIT_NO)
        return true;
    return never ? fit_filter(never, name, arguments) != FIT_YES : !always;
}

bool approval_is_required(struct json_object *tool)
{
    return !is_never(json_get(tool, "require_approval"));
}

bool approval_may_be_needed(struct text tool)
{
    struct text rule = json_raw_get(tool, "require_approval");

    return rule.ptr && !json_raw_is(rule, "never");
}

static int refuse(const struct path *path, const char *member, struct failure *failure)
{
    struct path at = {path, member, 0};
    char where[192];

    path_format(&at, where, sizeof(where));
    return failure_set(failure, 400, &at, "approval_not_permitted",
                       "Invalid '%s': a run may ask for more approvals than its assistant, or for "
                       "sooner ones, and not for less.",
                       where);
}

static void set(struct json_object *out, const char *member, struct json_object *value)
{
    json_object_object_del(out, member);
    if (value)
        json_object_object_add(out, member, json_object_get(value));
}

static int narrow_timeout(struct json_object *agents, struct json_object *said,
                          struct json_object *out, const struct path *path, struct failure *failure)
{
    struct json_object *own = json_get(said, "approval_timeout");
    int64_t most = json_get_int(agents, "approval_timeout", APPROVAL_TIMEOUT_DEFAULT_S);

    if (own && approval_is_required(agents) && json_object_get_int64(own) > most)
        return refuse(path, "approval_timeout", failure);
    set(out, "approval_timeout", own ? own : json_get(agents, "approval_timeout"));
    return 0;
}

int approval_narrow(struct json_object *agents, struct json_object *said, struct json_object *out,
                    const struct path *path, struct failure *failure)
{
    struct json_object *rule = json_get(agents, "require_approval");
    struct json_object *own = json_get(said, "require_approval");

    if (own && !is_never(rule) &&
        (is_never(own) || (is_word(rule, "always") && !is_word(own, "always"))))
        return refuse(path, "require_approval", failure);
    set(out, "run_require_approval", NULL);
    if (!own) {
        set(out, "require_approval", rule);
    } else if (is_never(rule) || is_word(own, "always")) {
        set(out, "require_approval", own);
    } else {
        set(out, "require_approval", rule);
        if (!json_object_equal(rule, own))
            set(out, "run_require_approval", own);
    }
    return narrow_timeout(agents, said, out, path, failure);
}

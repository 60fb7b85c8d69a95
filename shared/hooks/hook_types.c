/* The table of types. Who adds a kind of event adds its rows here, and calls
 * penstock_webhook_emit() in the statement that makes it happen. */

#include "shared/hooks/hook_types.h"

#include <string.h>

const struct hook_type hook_types[] = {
    {"run.completed", "A run has its answer."},
    {"run.failed", "A run failed."},
    {"run.incomplete", "A run ended at a limit."},
    {"run.cancelled", "A run was cancelled."},
    {"run.expired", "A run did not end in time."},
    {"run.requires_action", "A run waits for the outputs of functions."},
    {"response.completed", "A response has its answer."},
    {"response.failed", "A response failed, or did not end in time."},
    {"response.incomplete", "A response ended at a limit."},
    {"response.cancelled", "A response was cancelled."},
    {"batch.completed", "All lines of a batch are answered."},
    {"batch.failed", "A batch could not be worked through."},
    {"batch.expired", "A batch did not end in its window."},
    {"batch.cancelled", "A batch was cancelled."},
    {"schedule.missed", "Times of a schedule were missed."},
    {"schedule.skipped", "A time of a schedule was skipped."},
    {"schedule.failed", "A run of a schedule could not be made."},
    {"schedule.paused", "A schedule fires no more until somebody resumes it."},
    {"schedule.ended", "A schedule has no times left."},
    {"budget.warning", "Four fifths of a budget are spent."},
    {"webhook_endpoint.disabled", "Another endpoint is not told anything any more."},
};
const size_t hook_types_count = ARRAY_LENGTH(hook_types);

/* Of these any name may come. */
static const char *const open_families[] = {"budget"};

static struct text family_of(struct text type)
{
    struct text family = TEXT_NONE;
    struct text rest;

    (void)text_cut(type, '.', &family, &rest);
    return family;
}

static bool is_name(struct text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || text.ptr[i] == '_' ||
              text.ptr[i] == '.'))
            return false;
    return text.len > 0;
}

static bool is_open(struct text family)
{
    for (size_t i = 0; i < ARRAY_LENGTH(open_families); i++)
        if (text_is(family, open_families[i]))
            return true;
    return false;
}

static bool is_family(struct text family)
{
    for (size_t i = 0; i < hook_types_count; i++)
        if (text_equal(family_of(text_of(hook_types[i].name)), family))
            return true;
    return is_open(family);
}

bool hook_filter_fits(struct text filter)
{
    struct text family;
    struct text name;

    if (text_is(filter, "*"))
        return true;
    if (filter.len > HOOK_TYPE_MAX || !text_cut(filter, '.', &family, &name))
        return false;
    if (text_is(name, "*"))
        return is_family(family);
    for (size_t i = 0; i < hook_types_count; i++)
        if (text_is(filter, hook_types[i].name))
            return true;
    return is_open(family) && is_name(name);
}

bool hook_filter_wants(struct text filter, struct text type)
{
    struct text family = family_of(type);

    if (text_is(filter, "*"))
        return !text_is(family, "response");
    if (text_equal(filter, type))
        return true;
    return family.ptr && filter.len == family.len + 2 && text_ends(filter, ".*") &&
           memcmp(filter.ptr, family.ptr, family.len) == 0;
}

const char *hook_sample(struct text type)
{
    static const struct {
        const char *family;
        const char *data;
    } samples[] = {
        {"run.",
         "{\"id\":\"run_00000000000000000000000000000000\",\"object\":\"thread.run\",\"status\":"
         "\"completed\",\"thread_id\":\"thread_00000000000000000000000000000000\",\"agent\":"
         "\"asst_00000000000000000000000000000000\",\"metadata\":{},\"test\":true}"},
        {"response.", "{\"id\":\"resp_00000000000000000000000000000000\",\"object\":\"response\","
                      "\"metadata\":{},\"test\":true}"},
        {"batch.", "{\"id\":\"batch_00000000000000000000000000000000\",\"object\":\"batch\","
                   "\"metadata\":{},\"test\":true}"},
        {"webhook_endpoint.", "{\"id\":\"whk_00000000000000000000000000000000\",\"object\":"
                              "\"webhook_endpoint\",\"test\":true}"},
        {"schedule.", "{\"id\":\"sched_00000000000000000000000000000000\",\"object\":\"schedule\","
                      "\"test\":true}"},
        {"budget.", "{\"id\":\"budget_00000000000000000000000000000000\",\"object\":\"budget\","
                    "\"test\":true}"},
    };

    if (!hook_filter_fits(type) || text_ends(type, "*"))
        return NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
        if (text_starts(type, samples[i].family))
            return samples[i].data;
    return NULL;
}

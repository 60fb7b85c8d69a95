/* The budget of a run: what it may have in all, and what becomes of it then. */

#include "shared/agent/checks.h"

#include "shared/agent/spec.h"
#include "shared/check/failure.h"

/* A run's budget is spent once and never fills up again: nothing would ever wake a run that is
 * parked by it. So "park" is for budgets with an end of their own. */
static const char *const at_limits[] = {"end", "fallback", NULL};

int check_budget(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {"max_tokens", FIELD_INTEGER, FIELD_NULLABLE, 1, BUDGET_TOKENS_MAX, NULL, NULL},
        {"max_cost_micros", FIELD_INTEGER, FIELD_NULLABLE, 1, BUDGET_COST_MAX, NULL, NULL},
        {"at_limit", FIELD_STRING, FIELD_NULLABLE, 0, 0, at_limits, NULL},
        {"fallback_model", FIELD_STRING, FIELD_NULLABLE, 1, AGENT_MODEL_MAX, NULL, check_model},
    };
    int r = fields_check(FIELDS(list), value, path, failure);

    return r < 0 ? r : check_budget_whole(value, path, failure);
}

int check_budget_whole(struct json_object *budget, const struct path *path, struct failure *failure)
{
    bool falls_back = text_is(json_get_text(budget, "at_limit"), "fallback");
    struct path model = {path, "fallback_model", 0};

    if (!json_get(budget, "max_tokens") && !json_get(budget, "max_cost_micros"))
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid budget: it limits nothing. Say 'max_tokens', 'max_cost_micros' "
                           "or both.");
    if (falls_back && !json_get(budget, "fallback_model"))
        return failure_set(failure, 400, &model, "missing_required_parameter",
                           "Missing required parameter: 'fallback_model'. With 'at_limit': "
                           "'fallback' it is the model that is asked from the limit on.");
    if (!falls_back && json_get(budget, "fallback_model"))
        return failure_set(failure, 400, &model, "invalid_value",
                           "Invalid 'fallback_model': it is asked only with 'at_limit': "
                           "'fallback'.");
    return 0;
}

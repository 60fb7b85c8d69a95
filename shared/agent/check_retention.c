/* Retention: how long the threads of an agent, a schedule or a tenant are kept. */

#include "shared/agent/checks.h"

#include "shared/check/failure.h"

static const char *const actions[] = {"keep", "archive", "delete", NULL};

static const struct field members[] = {
    {"action", FIELD_STRING, FIELD_REQUIRED, 0, 0, actions, NULL},
    {"after", FIELD_INTEGER, FIELD_NULLABLE, RETENTION_MIN_S, RETENTION_MAX_S, NULL, NULL},
    {"then_delete_after", FIELD_INTEGER, FIELD_NULLABLE, 0, RETENTION_MAX_S, NULL, NULL},
};

const struct fields retention_fields = {members, ARRAY_LENGTH(members), sizeof(members[0]), NULL,
                                        0};

int check_retention_whole(struct json_object *retention, const struct path *path,
                          struct failure *failure)
{
    struct text action = json_get_text(retention, "action");
    struct path after = {path, "after", 0};
    struct path then = {path, "then_delete_after", 0};
    bool keeps = text_is(action, "keep");

    if (!keeps && !json_get(retention, "after"))
        return failure_set(failure, 400, &after, "missing_required_parameter",
                           "Missing required parameter: 'after'. It is how many seconds after its "
                           "last use a thread is to be %s.",
                           text_is(action, "delete") ? "deleted" : "archived");
    if (keeps && json_get(retention, "after"))
        return failure_set(failure, 400, &after, "invalid_value",
                           "Invalid 'after': with 'action': 'keep' nothing ever happens.");
    if (!text_is(action, "archive") && json_get(retention, "then_delete_after"))
        return failure_set(failure, 400, &then, "invalid_value",
                           "Invalid 'then_delete_after': it is said with 'action': 'archive'.");
    return 0;
}

int check_retention(struct json_object *value, const struct path *path, struct failure *failure)
{
    int r = fields_check(FIELDS(members), value, path, failure);

    return r < 0 ? r : check_retention_whole(value, path, failure);
}

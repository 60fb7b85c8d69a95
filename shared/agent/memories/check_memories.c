/* The member `memories` of an agent, and of the request for a run. */

#include "shared/agent/checks.h"
#include "shared/agent/memories/memories_settings.h"
#include "shared/agent/spec.h"
#include "shared/check/failure.h"
#include "shared/recall/memory_kind.h"

static const char *const scopes[] = {"user", "agent", NULL};

static int check_kinds(struct json_object *value, const struct path *path, struct failure *failure)
{
    if (json_object_array_length(value) == 0)
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'kinds': none is named. Leave it out for all of them, or say "
                           "'learn': false and 'recall': false.");
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct path item = {path, NULL, i};
        struct json_object *kind = json_object_array_get_idx(value, i);
        int r = fields_expect(FIELD_STRING, kind, &item, failure);

        if (r == 0)
            r = fields_word(json_string(kind), memory_kind_names, &item, failure);
        if (r < 0)
            return r;
    }
    return 0;
}

int check_memories(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {"recall", FIELD_BOOLEAN, FIELD_NULLABLE, 0, 0, NULL, NULL},
        {"learn", FIELD_BOOLEAN, FIELD_NULLABLE, 0, 0, NULL, NULL},
        {"scope", FIELD_STRING, FIELD_NULLABLE, 0, 0, scopes, NULL},
        {"kinds", FIELD_ARRAY, FIELD_NULLABLE, 0, MEMORY_KIND_COUNT, NULL, check_kinds},
        {"top_k", FIELD_INTEGER, FIELD_NULLABLE, 1, MEMORIES_TOP_K_MAX, NULL, NULL},
        {"score_threshold", FIELD_NUMBER, FIELD_NULLABLE, 0, 1, NULL, NULL},
        {"max_tokens", FIELD_INTEGER, FIELD_NULLABLE, MEMORIES_TOKENS_MIN, MEMORIES_TOKENS_MAX,
         NULL, NULL},
        {"model", FIELD_STRING, FIELD_NULLABLE, 1, AGENT_MODEL_MAX, NULL, check_model},
        {"instructions", FIELD_STRING, FIELD_NULLABLE, 0, MEMORIES_INSTRUCTIONS_MAX, NULL, NULL},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

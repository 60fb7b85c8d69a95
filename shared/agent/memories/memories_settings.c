#include "shared/agent/memories/memories_settings.h"

#include "shared/recall/memory_kind.h"

static unsigned read_kinds(struct json_object *kinds)
{
    unsigned all = (1u << MEMORY_KIND_COUNT) - 1;
    unsigned found = 0;

    if (!json_object_is_type(kinds, json_type_array))
        return all;
    for (size_t i = 0; i < json_object_array_length(kinds); i++) {
        enum memory_kind kind;

        if (memory_kind_of(json_string(json_object_array_get_idx(kinds, i)), &kind))
            found |= 1u << kind;
    }
    return found ? found : all;
}

void memories_settings_read(struct json_object *spec, struct memories_settings *out)
{
    struct json_object *memories = json_get(spec, "memories");
    struct json_object *threshold = json_get(memories, "score_threshold");

    *out = (struct memories_settings){.score_threshold = -1};
    if (!json_object_is_type(memories, json_type_object))
        return;
    out->said = true;
    out->recall = json_get_bool(memories, "recall", true);
    out->learn = json_get_bool(memories, "learn", true);
    out->of_agent = text_is(json_get_text(memories, "scope"), "agent");
    out->kinds = read_kinds(json_get(memories, "kinds"));
    out->top_k = json_get_int(memories, "top_k", MEMORIES_TOP_K);
    out->max_tokens = json_get_int(memories, "max_tokens", MEMORIES_TOKENS);
    if (threshold)
        out->score_threshold = json_object_get_double(threshold);
    out->model = json_get_text(memories, "model");
    out->instructions = json_get_text(memories, "instructions");
    out->json = json_text(memories);
}

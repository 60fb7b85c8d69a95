/* What is said of memory, as a table of words, and who outranks whom. */

#include "shared/agent/context_settings.h"

#include "shared/agent/checks.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

/* A word of the API; also those that stand for another one. */
static const struct strategy_word {
    const char *word;
    enum context_strategy strategy;
} words[] = {
    {"auto", CONTEXT_AUTO},
    {"none", CONTEXT_NONE},
    {"last_messages", CONTEXT_LAST_MESSAGES},
    {"first_last", CONTEXT_FIRST_LAST},
    {"summarize", CONTEXT_SUMMARIZE},
    {"buffer", CONTEXT_LAST_MESSAGES},
    {"summary", CONTEXT_SUMMARIZE},
    {"vector", CONTEXT_VECTOR},
};

static const char *const word_list[] = {"auto",       "none",      "last_messages",
                                        "first_last", "summarize", "buffer",
                                        "summary",    "vector",    NULL};

const char *context_strategy_name(enum context_strategy strategy)
{
    static const char *const names[] = {
        [CONTEXT_AUTO] = "auto",
        [CONTEXT_NONE] = "none",
        [CONTEXT_LAST_MESSAGES] = "last_messages",
        [CONTEXT_FIRST_LAST] = "first_last",
        [CONTEXT_SUMMARIZE] = "summarize",
        [CONTEXT_VECTOR] = "vector",
    };

    return names[strategy];
}

const char *context_source_name(enum context_source source)
{
    static const char *const names[] = {
        [CONTEXT_OF_DEFAULT] = "default",
        [CONTEXT_OF_AGENT] = "agent",
        [CONTEXT_OF_THREAD] = "thread",
        [CONTEXT_OF_RUN] = "run",
    };

    return names[source];
}

int check_memory_strategy(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    return fields_word(json_string(value), word_list, path, failure);
}

int check_memory_config(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {"max_messages", FIELD_INTEGER, FIELD_NULLABLE, 1, CONTEXT_MESSAGES_MAX, NULL, NULL},
        {"max_tokens", FIELD_INTEGER, FIELD_NULLABLE, CONTEXT_TOKENS_MIN, CONTEXT_TOKENS_MAX, NULL,
         NULL},
        {"preserve_first", FIELD_INTEGER, FIELD_NULLABLE, 0, CONTEXT_PRESERVE_MAX, NULL, NULL},
        {"top_k", FIELD_INTEGER, FIELD_NULLABLE, 1, CONTEXT_TOP_K_MAX, NULL, NULL},
        {"score_threshold", FIELD_NUMBER, FIELD_NULLABLE, 0, 1, NULL, NULL},
        {"trigger_tokens", FIELD_INTEGER, FIELD_NULLABLE, CONTEXT_TOKENS_MIN, CONTEXT_TOKENS_MAX,
         NULL, NULL},
        {"summary_model", FIELD_STRING, FIELD_NULLABLE, 1, CONTEXT_MODEL_MAX, NULL, check_model},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static bool find_word(struct text word, enum context_strategy *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (text_is(word, words[i].word)) {
            *out = words[i].strategy;
            return true;
        }
    return false;
}

/* Of the request; or what stands there where it says nothing. */
static bool read_truncation(struct json_object *truncation, struct context_settings *out)
{
    if (!text_is(json_get_text(truncation, "type"), "last_messages"))
        return false;
    out->strategy = CONTEXT_LAST_MESSAGES;
    out->max_messages = json_get_int(truncation, "last_messages", 0);
    return true;
}

static int64_t number(struct json_object *first, struct json_object *second, const char *name,
                      int64_t otherwise)
{
    return json_get_int(first, name, json_get_int(second, name, otherwise));
}

/* A number that is there, and no null, outranks. */
static double threshold(struct json_object *first, struct json_object *second)
{
    return json_get_double(first, "score_threshold",
                           json_get_double(second, "score_threshold", CONTEXT_THRESHOLD));
}

static bool counts_messages(enum context_strategy strategy)
{
    return strategy == CONTEXT_LAST_MESSAGES || strategy == CONTEXT_FIRST_LAST ||
           strategy == CONTEXT_VECTOR;
}

void context_settings_read_summaries(struct json_object *spec, struct context_settings *out)
{
    struct json_object *agents = json_get(spec, "memory_config");
    struct json_object *threads = json_get(json_get(spec, "thread_memory"), "config");
    struct text model = json_get_text(threads, "summary_model");

    out->trigger_tokens = number(threads, agents, "trigger_tokens", CONTEXT_TRIGGER_TOKENS);
    out->summary_model = model.len > 0 ? model : json_get_text(agents, "summary_model");
}

void context_settings_read(struct json_object *spec, struct context_settings *out)
{
    struct json_object *truncation = json_get(spec, "truncation_strategy");
    struct json_object *thread = json_get(spec, "thread_memory");
    struct json_object *agents = json_get(spec, "memory_config");
    struct json_object *threads = json_get(thread, "config");
    struct context_settings settings = {.strategy = CONTEXT_AUTO};

    *out = settings;
    if (json_get_bool(spec, "truncation_said", false)) {
        settings.from = CONTEXT_OF_RUN;
        (void)read_truncation(truncation, &settings);
        *out = settings;
        return;
    }
    if (find_word(json_get_text(thread, "strategy"), &settings.strategy))
        settings.from = CONTEXT_OF_THREAD;
    else if (find_word(json_get_text(spec, "memory_strategy"), &settings.strategy))
        settings.from = CONTEXT_OF_AGENT;
    else {
        (void)read_truncation(truncation, out);
        return;
    }
    settings.max_tokens = number(threads, agents, "max_tokens", 0);
    if (counts_messages(settings.strategy))
        settings.max_messages = number(threads, agents, "max_messages", CONTEXT_MESSAGES);
    if (settings.strategy == CONTEXT_FIRST_LAST)
        settings.preserve_first = number(threads, agents, "preserve_first", CONTEXT_PRESERVE_FIRST);
    if (settings.strategy == CONTEXT_VECTOR) {
        settings.top_k = number(threads, agents, "top_k", CONTEXT_TOP_K);
        settings.score_threshold = threshold(threads, agents);
    }
    if (settings.strategy == CONTEXT_SUMMARIZE)
        context_settings_read_summaries(spec, &settings);
    *out = settings;
}

int context_settings_said(struct json_object *body, struct arena *arena, struct text *out,
                          struct error *err)
{
    static const struct {
        const char *member;
        const char *name;
    } pairs[] = {{"memory_strategy", "strategy"}, {"memory_config", "config"}};
    CLEANUP(buf_deinit) struct buf said;
    struct json_write write;
    bool any = false;

    buf_init(&said, 0);
    json_write_init(&write, &said);
    json_write_open_object(&write, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        struct json_object *value = json_get(body, pairs[i].member);

        if (!json_has(body, pairs[i].member))
            continue;
        any = true;
        json_write_raw(&write, pairs[i].name, value ? json_text(value) : TEXT("null"));
    }
    json_write_close(&write);
    *out = TEXT_NONE;
    if (!any)
        return 0;
    *out = (struct text){arena_copy(arena, buf_text(&said)), said.len};
    return out->ptr ? 0 : error_set(err, E_LIMIT, "no room for what is said of memory");
}

/* Models: the list of the configuration, and the one that is compiled in. Both are read alike. */

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config_internal.h"

#define TOKENS_MAX INT64_C(1000000000)
#define PRICE_MAX  INT64_C(1000000000000) /* a dollar a token */
#define CALLS_MAX  INT64_C(1000000000)

/* Whole numbers, all of the same kind: where they stand in the file's struct and in ours. */
static const struct number {
    const char *name;
    size_t from;
    size_t to;
    int64_t max;
} numbers[] = {
#define NUMBER(name, max)                                                                          \
    {                                                                                              \
#name, offsetof(struct config_file_model, name), offsetof(struct config_model, name), max  \
    }
    NUMBER(context_tokens, TOKENS_MAX),
    NUMBER(output_tokens, TOKENS_MAX),
    NUMBER(requests_per_minute, CALLS_MAX),
    NUMBER(tokens_per_minute, TOKENS_MAX * 1000),
    NUMBER(input_tokens_per_minute, TOKENS_MAX * 1000),
    NUMBER(output_tokens_per_minute, TOKENS_MAX * 1000),
    NUMBER(requests_per_day, CALLS_MAX),
    NUMBER(tokens_per_day, TOKENS_MAX * 1000),
    NUMBER(concurrent_calls, CALLS_MAX),
    NUMBER(input_price, PRICE_MAX),
    NUMBER(cached_input_price, PRICE_MAX),
    NUMBER(cache_write_price, PRICE_MAX),
    NUMBER(output_price, PRICE_MAX),
    NUMBER(reasoning_price, PRICE_MAX),
#undef NUMBER
};

static const struct switch_member {
    const char *name;
    size_t from;
    size_t to;
} switches[] = {
#define SWITCH(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct config_file_model, name), offsetof(struct config_model, name)       \
    }
    SWITCH(tools),  SWITCH(images), SWITCH(structured_output), SWITCH(reasoning_effort),
    SWITCH(stream),
#undef SWITCH
};

static int apply_numbers(const struct config_place *place, const struct config_file_model *from,
                         struct config_model *to, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        const struct number *number = &numbers[i];
        int64_t *const *value = (int64_t *const *)(const void *)((const char *)from + number->from);
        int64_t *out = (int64_t *)(void *)((char *)to + number->to);
        char complaint[64];

        *out = *value ? **value : -1;
        if (!*value || (**value >= 0 && **value <= number->max))
            continue;
        snprintf(complaint, sizeof(complaint), "must be 0 to %lld", (long long)number->max);
        return config_complain(place, number->name, complaint, err);
    }
    return 0;
}

static int apply_switches(const struct config_place *place, const struct config_file_model *from,
                          struct config_model *to, struct error *err)
{
    for (size_t i = 0; i < ARRAY_LENGTH(switches); i++) {
        char *const *value = (char *const *)(const void *)((const char *)from + switches[i].from);
        enum config_switch *out = (enum config_switch *)(void *)((char *)to + switches[i].to);

        if (config_switch_of(*value, out))
            continue;
        return config_complain(place, switches[i].name, "must be true or false", err);
    }
    return 0;
}

static int check_names(const struct config_place *place, const struct config_file_model *from,
                       struct error *err)
{
    int r;

    if (!from->name || !from->provider)
        return config_complain(place, "", "must have name and provider", err);
    r = config_check_member(place, "name", from->name, config_check_name, err);
    if (r == 0)
        r = config_check_member(place, "model", from->model, config_check_name, err);
    for (unsigned i = 0; r == 0 && i < place->index; i++)
        if (strcmp(place->file->data->models[i].name, from->name) == 0)
            r = config_complain(place, "name", "is there already: names of models must differ",
                                err);
    return r;
}

static int read_model(const struct config_place *place, const struct config_file_model *from,
                      struct config_model *to, struct error *err)
{
    int r = check_names(place, from, err);

    if (r < 0)
        return r;
    to->name = xstrdup(from->name);
    to->provider = xstrdup(from->provider);
    to->model = xstrdup(from->model ? from->model : from->name);
    r = apply_numbers(place, from, to, err);
    return r < 0 ? r : apply_switches(place, from, to, err);
}

static int read_models(struct config_file *file, struct config_model **out, unsigned *count,
                       struct error *err)
{
    unsigned all = file->data ? file->data->models_count : 0;
    int r = 0;

    *count = 0;
    *out = xcalloc(all + 1, sizeof(**out));
    while (r == 0 && *count < all) {
        struct config_place place = {file, "models", *count};

        r = read_model(&place, &file->data->models[*count], &(*out)[*count], err);
        (*count)++;
    }
    return r;
}

static int check_provider(const struct config *config, const struct config_place *place,
                          const struct config_model *model, struct error *err)
{
    CLEANUP(buf_deinit) struct buf text = {0};

    for (unsigned i = 0; i < config->providers_count; i++)
        if (strcmp(config->providers[i].name, model->provider) == 0)
            return 0;
    buf_init(&text, 4096);
    buf_add_string(&text, "names no provider; there are");
    for (unsigned i = 0; i < config->providers_count; i++)
        buf_printf(&text, "%s %s", i ? "," : "", config->providers[i].name);
    return config_complain(place, "provider", buf_string(&text), err);
}

int config_apply_models(struct config *config, struct config_file *file, struct error *err)
{
    int r = read_models(file, &config->models, &config->models_count, err);

    for (unsigned i = 0; r == 0 && i < config->models_count; i++) {
        struct config_place place = {file, "models", i};

        r = check_provider(config, &place, &config->models[i], err);
    }
    return r;
}

int config_models_read(const char *name, struct text text, struct config_model **out,
                       unsigned *count, struct error *err)
{
    struct config_file file = {.path = name};
    int r = config_file_parse(&file, text, err);

    *out = NULL;
    *count = 0;
    if (r == 0)
        r = read_models(&file, out, count, err);
    config_file_deinit(&file);
    if (r == 0)
        return 0;
    config_models_free(*out, *count);
    *out = NULL;
    *count = 0;
    return r;
}

bool config_model_equal(const struct config_model *one, const struct config_model *other)
{
    bool equal = strcmp(one->name, other->name) == 0 &&
                 strcmp(one->provider, other->provider) == 0 &&
                 strcmp(one->model, other->model) == 0;

    for (size_t i = 0; equal && i < ARRAY_LENGTH(numbers); i++)
        equal = memcmp((const char *)one + numbers[i].to, (const char *)other + numbers[i].to,
                       sizeof(int64_t)) == 0;
    for (size_t i = 0; equal && i < ARRAY_LENGTH(switches); i++)
        equal = memcmp((const char *)one + switches[i].to, (const char *)other + switches[i].to,
                       sizeof(enum config_switch)) == 0;
    return equal;
}

void config_models_free(struct config_model *models, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(models[i].name);
        free(models[i].provider);
        free(models[i].model);
    }
    free(models);
}

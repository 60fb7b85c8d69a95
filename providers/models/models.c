/* The table of models, out of the text that is compiled in. */

#include "providers/models/models.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

extern const char models_embedded[];
extern const size_t models_embedded_bytes;

const struct model_info model_unknown = {
    .name = "",
    .provider = "",
    .abilities = {.tools = true,
                  .images = true,
                  .structured_output = true,
                  .reasoning_effort = true},
};

static struct model_info *table;
static unsigned table_count;

/* Of a model in the table nothing is taken for granted but tools. */
static const struct model_info listed = {.abilities = {.tools = true}};

static void set(int64_t value, int64_t *out)
{
    if (value >= 0)
        *out = value;
}

static void set_switch(enum config_switch value, bool *out)
{
    if (value != CONFIG_UNSET)
        *out = value == CONFIG_ON;
}

static void apply_prices(const struct config_model *entry, struct model_prices *prices)
{
    set(entry->input_price, &prices->input);
    set(entry->output_price, &prices->output);
    /* What is read from a cache or written to it is input, what is thought is output. */
    if (entry->input_price >= 0)
        prices->cached_input = prices->cache_write = entry->input_price;
    if (entry->output_price >= 0)
        prices->reasoning = entry->output_price;
    set(entry->cached_input_price, &prices->cached_input);
    set(entry->cache_write_price, &prices->cache_write);
    set(entry->reasoning_price, &prices->reasoning);
}

void model_info_apply(const struct config_model *entry, struct model_info *base)
{
    struct model_limits *limits = &base->limits;

    set(entry->context_tokens, &base->context_tokens);
    set(entry->output_tokens, &base->output_tokens_max);
    set(entry->requests_per_minute, &limits->requests_per_minute);
    set(entry->tokens_per_minute, &limits->tokens_per_minute);
    set(entry->input_tokens_per_minute, &limits->input_tokens_per_minute);
    set(entry->output_tokens_per_minute, &limits->output_tokens_per_minute);
    set(entry->requests_per_day, &limits->requests_per_day);
    set(entry->tokens_per_day, &limits->tokens_per_day);
    set(entry->concurrent_calls, &limits->concurrent_calls);
    set_switch(entry->tools, &base->abilities.tools);
    set_switch(entry->images, &base->abilities.images);
    set_switch(entry->structured_output, &base->abilities.structured_output);
    set_switch(entry->reasoning_effort, &base->abilities.reasoning_effort);
    apply_prices(entry, &base->prices);
}

static void free_table(void)
{
    for (unsigned i = 0; i < table_count; i++) {
        free((char *)table[i].name);
        free((char *)table[i].provider);
    }
    free(table);
}

static void make_table(void)
{
    struct text text = {models_embedded, models_embedded_bytes};
    struct config_model *entries;
    struct error err;
    int r = config_models_read("models.yaml", text, &entries, &table_count, &err);

    if (r < 0)
        ASSERT(!"models.yaml, which is compiled in, can be read"); /* a test says what is wrong */
    table = xcalloc(table_count, sizeof(*table));
    for (unsigned i = 0; i < table_count; i++) {
        table[i] = listed;
        model_info_apply(&entries[i], &table[i]);
        table[i].name = xstrdup(entries[i].name);
        table[i].provider = xstrdup(entries[i].provider);
    }
    config_models_free(entries, table_count);
    atexit(free_table);
}

size_t models_all(const struct model_info **out)
{
    if (!table)
        make_table();
    *out = table;
    return table_count;
}

/* "-2024-08-06", "-001", "-latest", "-preview", "-preview-09-2025" */
static bool is_same_model(struct text suffix)
{
    static const char *const words[] = {"-latest", "-preview"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        if (text_starts(suffix, words[i])) {
            suffix.ptr += strlen(words[i]);
            suffix.len -= strlen(words[i]);
        }
    for (size_t i = 0; i < suffix.len; i++)
        if (suffix.ptr[i] != '-' && (suffix.ptr[i] < '0' || suffix.ptr[i] > '9'))
            return false;
    return true;
}

const struct model_info *model_find(struct text name, bool *out_same)
{
    const struct model_info *found = NULL;
    const struct model_info *rows;
    size_t count = models_all(&rows);
    size_t longest = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len;

        if (name.len == 0 || rows[i].name[0] != name.ptr[0])
            continue;
        len = strlen(rows[i].name);
        if (len <= longest || !text_starts(name, rows[i].name) ||
            (name.len > len && name.ptr[len] != '-' && name.ptr[len] != ':'))
            continue;
        longest = len;
        found = &rows[i];
    }
    if (found && out_same)
        *out_same = is_same_model((struct text){name.ptr + longest, name.len - longest});
    return found;
}

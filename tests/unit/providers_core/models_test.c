/* Models as data, and the document that is made of them. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "providers/models/models.h"
#include "shared/base/error.h"
#include "shared/config/config.h"

#define DOCUMENT SOURCE_DIR "/docs/models.md"

static const char *row_of(const char *name)
{
    const struct model_info *row = model_find(text_of(name), NULL);

    return row ? row->name : "none";
}

Test(models, names_cover_their_variants_and_the_longest_wins)
{
    cr_assert_str_eq(row_of("gpt-4o-mini-2024-07-18"), "gpt-4o-mini");
    cr_assert_str_eq(row_of("gpt-4o-audio-preview"), "gpt-4o");
    cr_assert_str_eq(row_of("gpt-4o-2024-05-13"), "gpt-4o-2024-05-13");
    cr_assert_eq(model_find(TEXT("gpt-4o-2024-05-13"), NULL)->output_tokens_max, 4096);
    cr_assert_str_eq(row_of("gpt-4"), "gpt-4");
    cr_assert_str_eq(row_of("gpt-4x"), "none");
    cr_assert_str_eq(row_of("gpt"), "none");
    cr_assert_str_eq(row_of(""), "none");
    cr_assert_str_eq(row_of("llama3.3:70b-instruct-q4_K_M"), "llama3.3:70b");
    cr_assert_str_eq(row_of("qwen3:8b"), "qwen3");
}

Test(models, prices_and_limits_hold_for_dates_and_numbers_of_a_model)
{
    static const struct {
        const char *name;
        bool same;
    } names[] = {
        {"gpt-4o", true},
        {"gpt-4o-2024-08-06", true},
        {"gpt-4o-latest", true},
        {"gemini-2.0-flash-001", true},
        {"gemini-2.5-flash-preview-09-2025", true},
        {"gpt-4o-audio-preview", false},
        {"gpt-5.1-codex", false},
        {"o3-deep-research", false},
    };
    bool same;

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        cr_assert_not_null(model_find(text_of(names[i].name), &same), "%s", names[i].name);
        cr_assert_eq(same, names[i].same, "%s", names[i].name);
    }
}

/* What an entry leaves out costs as its kind does. */
Test(models, an_entry_changes_what_it_names)
{
    struct config_model *entries;
    struct model_info info = *model_find(TEXT("gpt-4o-mini"), NULL);
    struct error err;
    unsigned count;

    cr_assert_eq(config_models_read("here",
                                    TEXT("models:\n  - {name: a, provider: p, input_price: 8, "
                                         "output_price: 9, tools: false, requests_per_minute: 0}"),
                                    &entries, &count, &err),
                 0, "%s", err.text);
    cr_assert_eq(count, 1);
    model_info_apply(&entries[0], &info);
    cr_assert_eq(info.context_tokens, 128000);
    cr_assert_eq(info.limits.tokens_per_minute, 30000);
    cr_assert_eq(info.limits.requests_per_minute, 0);
    cr_assert_not(info.abilities.tools);
    cr_assert(info.abilities.images);
    cr_assert_eq(info.prices.input, 8);
    cr_assert_eq(info.prices.cached_input, 8);
    cr_assert_eq(info.prices.cache_write, 8);
    cr_assert_eq(info.prices.output, 9);
    cr_assert_eq(info.prices.reasoning, 9);
    config_models_free(entries, count);
}

Test(models, rows_are_sane_and_there_once)
{
    const struct model_info *rows;
    size_t count = models_all(&rows);
    bool same;

    cr_assert_gt(count, 50);
    for (size_t i = 0; i < count; i++) {
        const struct model_prices *prices = &rows[i].prices;

        cr_assert_eq(model_find(text_of(rows[i].name), &same), &rows[i], "%s is there twice",
                     rows[i].name);
        cr_assert(same);
        cr_assert_gt(rows[i].context_tokens, 0, "%s", rows[i].name);
        cr_assert_geq(rows[i].context_tokens, rows[i].output_tokens_max, "%s", rows[i].name);
        cr_assert_leq(prices->cached_input, prices->input, "%s", rows[i].name);
        cr_assert_leq(prices->input, 150000000, "%s", rows[i].name);
        cr_assert_leq(prices->output, 600000000, "%s", rows[i].name);
    }
}

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    char piece[4096];
    size_t got;

    cr_assert_not_null(file, "%s", path);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_add(out, piece, got);
    fclose(file);
}

static void write_count(struct buf *out, int64_t value)
{
    if (value)
        buf_add_int(out, value);
    else
        buf_add_char(out, '-');
}

/* Micro-dollars as dollars, without zeros at the end. */
static void write_dollars(struct buf *out, int64_t micros)
{
    buf_printf(out, "%" PRId64 ".%06" PRId64, micros / 1000000, micros % 1000000);
    while (out->ptr[out->len - 1] == '0' && out->ptr[out->len - 3] != '.')
        out->len--;
}

static void write_row(struct buf *out, const struct model_info *model)
{
    const struct model_abilities *can = &model->abilities;

    buf_printf(out, "| `%s` | %s | %" PRId64 " | ", model->name, model->provider,
               model->context_tokens);
    write_count(out, model->output_tokens_max);
    buf_printf(out, " |%s%s%s%s%s | ", can->tools ? " tools" : "", can->images ? " images" : "",
               can->structured_output ? " schemas" : "", can->reasoning_effort ? " effort" : "",
               can->tools || can->images ? "" : " -");
    write_count(out, model->limits.requests_per_minute);
    buf_add_string(out, " / ");
    write_count(out, model->limits.tokens_per_minute);
    buf_add_string(out, " | ");
    write_dollars(out, model->prices.input);
    buf_add_string(out, " / ");
    write_dollars(out, model->prices.cached_input);
    buf_add_string(out, " / ");
    write_dollars(out, model->prices.output);
    buf_add_string(out, " |\n");
}

/* The list as Markdown, as docs/models.md holds it. */
static void write_document(struct buf *out)
{
    const struct model_info *models;
    size_t count = models_all(&models);

    buf_add_string(
        out,
        "# Models that are known by name\n\n"
        "<!-- Made from providers/models/models.yaml by unit_providers_core: WRITE_DOCS=1 writes "
        "it anew. "
        "-->\n"
        "\n"
        "An agent names its model in one of three ways:\n\n"
        "- by a name of the configuration's `models`\n"
        "- as `provider/model`, such as `groq/openai/gpt-oss-120b`: whatever that provider serves\n"
        "- by one of the names below, or a variant of it (`gpt-4o` covers `gpt-4o-2024-08-06` and\n"
        "  `gpt-4o-audio-preview`)\n\n"
        "Any other bare name goes to `default_provider` (`PENSTOCK_DEFAULT_PROVIDER`), if that is\n"
        "set, and is refused otherwise.\n\n"
        "What stands here is a beginning: `models` of the configuration has the same members and\n"
        "outranks it, and the provider's own words about its limits outrank both. It is read\n"
        "again while programs run ([how](configuration.md#reading-it-again)), and\n"
        "[`penstock providers test`](cli.md#providers-what-works) tells what of a model works.\n\n"
        "| Name | Provider | Context | Longest answer | Takes | A minute: calls / tokens | Dollars "
        "for a million tokens: in / cached / out |\n|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        write_row(out, &models[i]);
    buf_add_string(
        out,
        "\nSizes are in tokens. Limits are those of a new account at the provider's own address;\n"
        "behind another one none hold until its headers tell. Prices hold for dates, numbers,\n"
        "`latest` and `preview` of a name, and not for other variants (`-pro`, `-audio`), whose "
        "cost\n"
        "is 0 until the configuration says more. A run's `max_completion_tokens` is sent as no "
        "more\n"
        "than the longest answer of its model.\n");
}

Test(models, the_document_is_made_from_the_table)
{
    struct buf made;
    struct buf stored;

    buf_init(&made, 0);
    buf_init(&stored, 0);
    write_document(&made);
    if (getenv("WRITE_DOCS")) {
        FILE *file = fopen(DOCUMENT, "w");

        cr_assert_not_null(file);
        cr_assert_eq(fwrite(made.ptr, 1, made.len, file), made.len);
        fclose(file);
    }
    read_file(DOCUMENT, &stored);
    cr_assert(text_equal(buf_text(&made), buf_text(&stored)),
              "docs/models.md is not what WRITE_DOCS=1 unit_providers_core would make");
    buf_deinit(&made);
    buf_deinit(&stored);
}

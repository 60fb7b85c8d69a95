/* Models as data, and the document that is made of them. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "providers/models/models.h"

#define DOCUMENT SOURCE_DIR "/docs/models.md"

Test(models, names_cover_their_variants_and_the_longest_wins)
{
    cr_assert_str_eq(model_find(TEXT("gpt-4o-mini"))->name, "gpt-4o");
    cr_assert_str_eq(model_find(TEXT("gpt-4o-2024-05-13"))->name, "gpt-4o-2024-05-13");
    cr_assert_eq(model_find(TEXT("gpt-4o-2024-05-13"))->output_tokens_max, 4096);
    cr_assert_str_eq(model_find(TEXT("gpt-4"))->name, "gpt-4");
    cr_assert_null(model_find(TEXT("gpt-4x")));
    cr_assert_null(model_find(TEXT("gpt")));
    cr_assert_null(model_find(TEXT("")));
}

Test(models, rows_are_sane_and_there_once)
{
    const struct model_info *rows;
    size_t count = models_all(&rows);

    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(model_find(text_of(rows[i].name)), &rows[i], "%s is there twice",
                     rows[i].name);
        cr_assert_geq(rows[i].context_tokens, rows[i].output_tokens_max, "%s", rows[i].name);
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

/* The list as Markdown, as docs/models.md holds it. */
static void write_document(struct buf *out)
{
    const struct model_info *models;
    size_t count = models_all(&models);

    buf_add_string(
        out,
        "# Models that are known by name\n\n"
        "<!-- Made from providers/models/models.c by unit_providers_core: WRITE_DOCS=1 writes it anew. "
        "-->\n"
        "\n"
        "An agent names its model in one of three ways:\n\n"
        "- by a name of the configuration's `models`\n"
        "- as `provider/model`, such as `groq/openai/gpt-oss-120b`: whatever that provider serves\n"
        "- by one of the names below, or a variant of it (`gpt-4o` covers `gpt-4o-mini` and\n"
        "  `gpt-4o-2024-08-06`)\n\n"
        "Any other bare name goes to `default_provider` (`PENSTOCK_DEFAULT_PROVIDER`), if that is\n"
        "set, and is refused otherwise.\n\n"
        "| Name | Provider | Context, tokens | Longest answer, tokens |\n|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "| `%s` | %s | %" PRId64 " | ", models[i].name, models[i].provider,
                   models[i].context_tokens);
        if (models[i].output_tokens_max)
            buf_printf(out, "%" PRId64 " |\n", models[i].output_tokens_max);
        else
            buf_add_string(out, "- |\n");
    }
    buf_add_string(
        out, "\nA run's `max_completion_tokens` is sent as no more than the longest answer of "
             "its model.\n");
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

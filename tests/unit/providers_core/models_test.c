/* Models as data, and the document that is made of them. */

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "providers/models.h"

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

Test(models, the_document_is_made_from_the_table)
{
    struct buf made;
    struct buf stored;

    buf_init(&made, 0);
    buf_init(&stored, 0);
    models_write_document(&made);
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

/* Any bytes become a sentence in form or are refused: in form it is UTF-8, one line, within its
 * limit, and stays as it is when it is put in form again; and its words can be looked for. */

#include <math.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/recall/memory_text.h"
#include "shared/recall/rank.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_form(struct text text)
{
    ASSERT(text.len > 0 && text.len <= MEMORY_TEXT_MAX);
    ASSERT(text_is_utf8(text));
    for (size_t i = 0; i < text.len; i++)
        ASSERT((uint8_t)text.ptr[i] >= ' ' && text.ptr[i] != 0x7f);
    ASSERT(text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ');
}

/* With `asked` of one half and what is known of the other. */
static void check_rank(struct text asked, struct text known)
{
    struct recall_document documents[2] = {{known, NAN, 0}, {asked, 0.5F, 1}};
    struct recall_question question = {
        .words = asked, .seed = asked.len, .similarity_nats = RECALL_NATS_BUILTIN, .limit = 2};
    struct recall_hit hits[2];
    size_t count = recall_rank(&question, documents, 2, hits);

    ASSERT(count <= 2);
    for (size_t i = 0; i < count; i++)
        ASSERT(hits[i].index < 2 && hits[i].score > 0 && hits[i].score < 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_deinit) struct arena arena;
    struct text said = {(const char *)data, size};
    struct memory_text first;
    struct memory_text again;

    arena_init(&arena, 0);
    check_rank((struct text){said.ptr, size / 2},
               (struct text){said.ptr + size / 2, size - size / 2});
    if (memory_text_make(&arena, said, &first) != 0)
        return 0;
    check_form(first.text);
    ASSERT(first.words.len <= MEMORY_TEXT_MAX);
    ASSERT(memory_text_make(&arena, first.text, &again) == 0);
    ASSERT(text_equal(first.text, again.text) && text_equal(first.words, again.words));
    ASSERT(memcmp(first.sha256, again.sha256, SHA256_BYTES) == 0);
    check_rank(first.words, again.words);
    return 0;
}

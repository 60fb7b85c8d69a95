#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/yaml/yaml_load.h"

static void check_refused(struct text text, const char *message)
{
    yaml_document_t document;
    struct error err;

    cr_assert_eq(yaml_load("a.yaml", text, &document, &err), -E_INVALID);
    cr_assert(strncmp(err.text, message, strlen(message)) == 0, "got: %s", err.text);
}

/* `count` times `piece`, and `end`. */
static char *repeat(const char *piece, size_t count, const char *end)
{
    size_t len = strlen(piece);
    char *text = malloc(count * len + strlen(end) + 1);

    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, piece, len);
    strcpy(text + count * len, end);
    return text;
}

Test(yaml_load, gives_a_document)
{
    yaml_document_t document;

    cr_assert_eq(
        yaml_load("a.yaml", TEXT("\xEF\xBB\xBF---\na: [1, &x {b: c}, *x]\n...\n"), &document, NULL),
        0);
    cr_assert_eq(yaml_document_get_root_node(&document)->type, YAML_MAPPING_NODE);
    yaml_document_delete(&document);
    cr_assert_eq(yaml_load("a.yaml", TEXT("# nothing\n"), &document, NULL), 0);
    cr_assert(yaml_document_get_root_node(&document) == NULL);
    yaml_document_delete(&document);
}

Test(yaml_load, names_the_place_of_what_is_wrong)
{
    check_refused(TEXT("a: [\n"), "a.yaml:2:1: ");
    check_refused(TEXT("a: 1\n---\nb: 2\n"), "a.yaml:2:1: there is a second document");
    check_refused(TEXT("a: 1\n...\nb: 2\n"), "a.yaml:3:1: ");
}

Test(yaml_load, stops_at_its_limits_at_once)
{
    static const struct {
        const char *piece;
        size_t count;
        const char *message;
    } cases[] = {
        {"[", 100000, "a.yaml:1:65: this is nested more than 64 levels deep"},
        {"{a: ", 100000, "a.yaml:1:257: this is nested more than 64 levels deep"},
        {"- ", 100000, "a.yaml:1:129: this is nested more than 64 levels deep"},
        {"- [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 2,
         "a.yaml:1:66: this is nested"},
        {"- 1\n", 600000, "a.yaml:500000:3: the file has more than 500000 values"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char *text = repeat(cases[i].piece, cases[i].count, "");
        int64_t start_ms = clock_ms();

        check_refused(text_of(text), cases[i].message);
        cr_assert_lt(clock_ms() - start_ms, 10000, "case %zu", i);
        free(text);
    }
}

Test(yaml_load, bounds_the_number_of_anchors)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    int64_t start_ms = clock_ms();

    buf_init(&text, 0);
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "- &a%d x\n", i);
    check_refused(buf_text(&text), "a.yaml:1001:3: the file has more than 1000 anchors");
    cr_assert_lt(clock_ms() - start_ms, 10000);
}

Test(yaml_integer, takes_one_way_of_writing)
{
    static const char *const wrong[] = {
        "",   "-",    "010", "-01", "00", "1.5", "1e3",
        "+5", "0x10", "0o7", "1_0", " 1", "-0",  "99999999999999999999"};
    int64_t number;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_not(yaml_integer(text_of(wrong[i]), &number), "%s", wrong[i]);
    cr_assert(yaml_integer(TEXT("0"), &number) && number == 0);
    cr_assert(yaml_integer(TEXT("-10"), &number) && number == -10);
    cr_assert(yaml_integer(TEXT("8080"), &number) && number == 8080);
}

/* Filling of templates. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/agent/placeholders.h"
#include "shared/base/error.h"

static struct text unknown;

static bool value_of(void *arg, struct text name, struct buf *out)
{
    (void)arg;
    if (text_is(name, "name"))
        buf_add_string(out, "Ada {{name}}");
    else if (!text_is(name, "_e1"))
        return false;
    return true;
}

/* NULL: a place has no value. */
static const char *filled(const char *template)
{
    static char shown[512];
    struct buf out;
    int r;

    buf_init(&out, 0);
    r = placeholders_fill(text_of(template), value_of, NULL, &out, &unknown);
    (void)snprintf(shown, sizeof(shown), "%s", buf_string(&out));
    buf_deinit(&out);
    cr_assert(r == 0 || r == -E_INVALID);
    return r < 0 ? NULL : shown;
}

Test(placeholders, places_are_filled_once)
{
    cr_assert_str_eq(filled(""), "");
    cr_assert_str_eq(filled("Hello"), "Hello");
    cr_assert_str_eq(filled("{{name}}"), "Ada {{name}}");
    cr_assert_str_eq(filled("Hello {{ name }}, {{name}}!"), "Hello Ada {{name}}, Ada {{name}}!");
    cr_assert_str_eq(filled("[{{_e1}}]"), "[]");
}

Test(placeholders, other_braces_are_text)
{
    static const char *const texts[] = {
        "{name}",       "{ {name} }", "{{name",      "{{",     "}}",
        "{{}}",         "{{ }}",      "{{a b}}",     "{{1a}}", "{{a-b}}",
        "{{\"a\": 1}}", "{",          "{\"a\": {}}", "{{{}}}", "{{n\xC3\xA4me}}",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert_str_eq(filled(texts[i]), texts[i]);
    cr_assert_str_eq(filled("{{{name}}}"), "{Ada {{name}}}");
    cr_assert_str_eq(filled("{{x {{name}}"), "{{x Ada {{name}}");
}

Test(placeholders, a_name_that_nobody_knows_is_told)
{
    cr_assert_null(filled("{{name}} and {{ who }} and {{what}}"));
    cr_assert(text_is(unknown, "who"));
}

Test(placeholders, names)
{
    char longest[PLACEHOLDER_NAME_MAX + 2];

    memset(longest, 'a', sizeof(longest));
    cr_assert(placeholder_name_fits((struct text){longest, PLACEHOLDER_NAME_MAX}));
    cr_assert_not(placeholder_name_fits((struct text){longest, PLACEHOLDER_NAME_MAX + 1}));
    cr_assert(placeholder_name_fits(TEXT("A_9")));
    cr_assert_not(placeholder_name_fits(TEXT("9A")));
    cr_assert_not(placeholder_name_fits(TEXT("")));
    cr_assert_not(placeholder_name_fits(TEXT("a.b")));
}

/* Each pair of braces would look for its end in all that follows. */
Test(placeholders, many_braces_that_are_no_places_take_no_long)
{
    struct buf many;
    struct buf out;

    buf_init(&many, 0);
    buf_init(&out, 0);
    for (size_t i = 0; i < (size_t)4 << 20; i++)
        buf_add_char(&many, '{');
    cr_assert_eq(placeholders_fill(buf_text(&many), value_of, NULL, &out, &unknown), 0);
    cr_assert_eq(out.len, many.len);
    buf_deinit(&many);
    buf_deinit(&out);
}

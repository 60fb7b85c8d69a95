/* Values and arrays (pure), and how they and results fare on a real server. */

#include "fixture.h"

Test(value, an_array_counts_its_elements_and_is_padded_with_nulls)
{
    struct buf buf CLEANUP(buf_deinit);

    buf_init(&buf, 0);
    cr_assert_eq(pg_array_count(&buf), 0);
    pg_array_begin(&buf);
    cr_assert_eq(pg_array_count(&buf), 0);
    pg_array_add_int(&buf, 7);
    pg_array_pad(&buf, 300);
    cr_assert_eq(pg_array_count(&buf), 300);
    pg_array_pad(&buf, 5);
    pg_array_add_null(&buf);
    cr_assert_eq(pg_array_count(&buf), 301);
}

Test(value, an_array_that_is_full_stays_failed)
{
    struct buf buf CLEANUP(buf_deinit);

    buf_init(&buf, 40);
    pg_array_begin(&buf);
    pg_array_pad(&buf, SIZE_MAX);
    cr_assert(buf.failed);
    pg_array_add_json(&buf, TEXT("[]"));
    cr_assert_eq(pg_array_count(&buf), 5);
}

Test(value, a_missing_text_is_null)
{
    cr_assert_eq(pg_text(TEXT_NONE).type, 0);
    cr_assert_eq(pg_string(NULL).type, 0);
    cr_assert_eq(pg_json(TEXT_NONE).type, 0);
    cr_assert_eq(pg_bytes(TEXT_NONE).type, 0);
    cr_assert_eq(pg_null().type, 0);
    cr_assert_eq(pg_text(TEXT("")).type, 't');
}

static const struct pg_statement every_type = {"every_type",
                                               "SELECT $1, $2, $3, $4::timestamptz, $5, encode($6, "
                                               "'hex'), $7, $8, $9, $10, $11::text, $12, $13",
                                               "uibtjyUITJtBT"};

static void check_every_type(struct pg *pg)
{
    struct buf ids CLEANUP(buf_deinit);
    struct buf numbers CLEANUP(buf_deinit);
    struct buf texts CLEANUP(buf_deinit);
    struct buf documents CLEANUP(buf_deinit);
    struct buf truths CLEANUP(buf_deinit);
    struct buf none CLEANUP(buf_deinit);
    struct pg_result *result CLEANUP(pg_result_freep) = NULL;
    struct uuid id;
    struct error err = {0};

    cr_assert(uuid_parse(TEXT("01932c07-d3a8-7c3e-9f5d-1c2b3a495867"), &id));
    buf_init(&ids, 0);
    buf_init(&numbers, 0);
    buf_init(&texts, 0);
    buf_init(&documents, 0);
    buf_init(&truths, 0);
    buf_init(&none, 0);
    pg_array_begin(&ids);
    pg_array_add_uuid(&ids, id);
    pg_array_begin(&numbers);
    pg_array_add_int(&numbers, -5);
    pg_array_begin(&texts);
    pg_array_add_text(&texts, TEXT("q\"\\\n\xe2\x82\xac"));
    pg_array_add_text(&texts, TEXT_NONE);
    pg_array_begin(&documents);
    pg_array_add_json(&documents, TEXT("{\"a\": \"\\\"\"}"));
    pg_array_add_json(&documents, TEXT_NONE);
    pg_array_begin(&truths);
    pg_array_add_bool(&truths, true);
    pg_array_add_null(&truths);
    pg_array_add_bool(&truths, false);
    pg_array_begin(&none);
    struct pg_value values[] = {pg_uuid(id),
                                pg_int(INT64_MIN),
                                pg_bool(true),
                                pg_string("2026-01-02 03:04:05+02"),
                                pg_json(TEXT("{\"k\": [1, null]}")),
                                pg_bytes((struct text){"\0\xff", 2}),
                                pg_array('U', &ids),
                                pg_array('I', &numbers),
                                pg_array('T', &texts),
                                pg_array('J', &documents),
                                pg_text((struct text){"cut here", 3}),
                                pg_array('B', &truths),
                                pg_array('T', &none)};

    cr_assert_eq(pg_exec(pg, &every_type, values, &result, &err), 0, "%s", err.text);
    cr_assert_eq(pg_rows(result), 1);
    cr_assert(uuid_equal(pg_get_uuid(result, 0, 0), id));
    cr_assert_eq(pg_get_int(result, 0, 1), INT64_MIN);
    cr_assert(pg_get_bool(result, 0, 2));
    cr_assert_str_eq(pg_get_string(result, 0, 3), "2026-01-02 01:04:05+00");
    cr_assert_str_eq(pg_get_string(result, 0, 4), "{\"k\": [1, null]}");
    cr_assert_str_eq(pg_get_string(result, 0, 5), "00ff");
    cr_assert_str_eq(pg_get_string(result, 0, 6), "{01932c07-d3a8-7c3e-9f5d-1c2b3a495867}");
    cr_assert_str_eq(pg_get_string(result, 0, 7), "{-5}");
    cr_assert_str_eq(pg_get_string(result, 0, 8), "{\"q\\\"\\\\\n\xe2\x82\xac\",NULL}");
    cr_assert_str_eq(pg_get_string(result, 0, 9), "{\"{\\\"a\\\": \\\"\\\\\\\"\\\"}\",NULL}");
    cr_assert(text_is(pg_get_text(result, 0, 10), "cut"));
    cr_assert(!pg_is_null(result, 0, 10));
    cr_assert_str_eq(pg_get_string(result, 0, 11), "{t,NULL,f}");
    cr_assert_str_eq(pg_get_string(result, 0, 12), "{}");
}

Test(value, every_type_reaches_the_server_and_comes_back)
{
    with_pg(NULL, check_every_type);
}

static void check_nulls(struct pg *pg)
{
    struct pg_value values[13];
    struct pg_result *result CLEANUP(pg_result_freep) = NULL;
    struct error err = {0};

    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        values[i] = pg_null();
    cr_assert_eq(pg_exec(pg, &every_type, values, &result, &err), 0, "%s", err.text);
    for (int column = 0; column < 13; column++)
        cr_assert(pg_is_null(result, 0, column));
    cr_assert(uuid_is_zero(pg_get_uuid(result, 0, 0)));
    cr_assert_eq(pg_get_int(result, 0, 1), 0);
    cr_assert(!pg_get_bool(result, 0, 2));
    cr_assert(!pg_get_string(result, 0, 3));
    cr_assert(!pg_get_text(result, 0, 3).ptr);
}

Test(value, null_is_allowed_for_every_type)
{
    with_pg(NULL, check_nulls);
}

static void check_affected(struct pg *pg)
{
    static const struct pg_statement update = {"update", "UPDATE item SET body = 'x'", ""};
    static const struct pg_statement create = {"create", "CREATE TABLE made (id int)", ""};
    struct pg_result *result = NULL;
    struct error err = {0};

    make_items(pg);
    cr_assert_eq(put_item(pg, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(put_item(pg, 2, "", &err), 0, "%s", err.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE body = ''"), 1);
    cr_assert_eq(pg_exec(pg, &update, NULL, &result, &err), 0, "%s", err.text);
    cr_assert_eq(pg_rows(result), 0);
    pg_result_freep(&result);
    cr_assert(!result);
    cr_assert_eq(pg_exec(pg, &create, NULL, &result, &err), 0, "%s", err.text);
    pg_result_free(result);
    pg_result_free(NULL);
}

Test(value, a_result_tells_how_many_rows_were_affected)
{
    with_pg(NULL, check_affected);
}

/* An array with this element. */
static void refuses(struct pg *pg, const struct pg_statement *statement, char type,
                    struct text element, const char *why)
{
    struct buf array CLEANUP(buf_deinit);
    struct pg_value values[1];
    struct error err = {0};

    buf_init(&array, 0);
    pg_array_begin(&array);
    if (type == 'J')
        pg_array_add_json(&array, element);
    else
        pg_array_add_text(&array, element);
    values[0] = pg_array(type, &array);
    cr_assert_eq(pg_exec(pg, statement, values, NULL, &err), -E_CONTENT);
    cr_assert_eq(strncmp(err.text, why, strlen(why)), 0, "%s", err.text);
}

static void check_refused_values(struct pg *pg)
{
    static const struct pg_statement as_json = {"as_json", "SELECT $1", "j"};
    static const struct pg_statement as_texts = {"as_texts", "SELECT $1", "T"};
    static const struct pg_statement as_documents = {"as_documents", "SELECT $1", "J"};
    struct pg_value zero[] = {pg_int(1), pg_text((struct text){"a\0b", 3})};
    struct pg_value latin[] = {pg_int(1), pg_string("\xe9t\xe9")};
    struct pg_value zero_in_json[] = {pg_json(TEXT("\"\\u0000\""))};
    struct buf small CLEANUP(buf_deinit);
    struct pg_value overgrown[1];
    struct error err = {0};

    make_items(pg);
    cr_assert_eq(pg_exec(pg, &insert_item, zero, NULL, &err), -E_CONTENT);
    cr_assert_eq(strncmp(err.text, "22021: ", 7), 0, "%s", err.text);
    cr_assert_eq(pg_exec(pg, &insert_item, latin, NULL, &err), -E_CONTENT);
    cr_assert_eq(strncmp(err.text, "22021: ", 7), 0, "%s", err.text);
    cr_assert_eq(pg_exec(pg, &as_json, zero_in_json, NULL, &err), -E_CONTENT);
    cr_assert_eq(strncmp(err.text, "22P05: ", 7), 0, "%s", err.text);
    refuses(pg, &as_texts, 'T', (struct text){"a\0b", 3}, "22021: ");
    refuses(pg, &as_texts, 'T', TEXT("\xe9t\xe9"), "22021: ");
    refuses(pg, &as_documents, 'J', TEXT("{\"a\": }"), "22P02: ");
    buf_init(&small, 8);
    pg_array_begin(&small);
    pg_array_add_text(&small, TEXT("too long for that"));
    overgrown[0] = pg_array('T', &small);
    cr_assert_eq(pg_exec(pg, &as_texts, overgrown, NULL, &err), -E_LIMIT);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 0);
}

Test(value, what_postgres_can_not_store_is_refused_and_never_cut_short)
{
    with_pg(NULL, check_refused_values);
}

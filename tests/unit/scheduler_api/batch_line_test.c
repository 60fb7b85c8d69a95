/* Lines of batches, and what is wrong with them. */

#include <criterion/criterion.h>

#include "scheduler/api/openai/batch_line.h"
#include "shared/base/error.h"

#define CHAT "/v1/chat/completions"
#define LINE(body)                                                                                 \
    "{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"" CHAT "\",\"body\":" body "}"

static const char *code_of(const char *text)
{
    const struct batch_endpoint *endpoint = batch_endpoint_find(TEXT(CHAT));
    struct batch_fault fault = {.code = NULL};
    struct batch_ask ask;
    int r = batch_line_read(text_of(text), endpoint, &ask, &fault);

    json_free(ask.line);
    cr_assert_eq(r < 0, fault.code != NULL);
    return fault.code ? fault.code : "";
}

Test(batch_line, is_read_with_what_it_asks)
{
    struct batch_fault fault;
    struct batch_ask ask;

    cr_assert_eq(batch_line_read(TEXT(LINE("{\"model\":\"m\"}")), batch_endpoint_find(TEXT(CHAT)),
                                 &ask, &fault),
                 0);
    cr_assert(text_is(ask.custom_id, "a"));
    cr_assert(text_is(json_get_text(ask.body, "model"), "m"));
    json_free(ask.line);
}

Test(batch_line, faults_have_the_codes_of_openai)
{
    static const struct {
        const char *line;
        const char *code;
    } cases[] = {
        {LINE("{}"), ""},
        {"", "invalid_json_line"},
        {"{", "invalid_json_line"},
        {"[]", "invalid_json_line"},
        {"null", "invalid_json_line"},
        {"{\"custom_id\":\"\\ud800\"}", "invalid_json_line"},
        {"{}", "missing_required_parameter"},
        {"{\"custom_id\":7}", "missing_required_parameter"},
        {"{\"custom_id\":\"\"}", "missing_required_parameter"},
        {"{\"custom_id\":\"a\"}", "missing_required_parameter"},
        {"{\"custom_id\":\"a\",\"method\":\"post\"}", "invalid_method"},
        {"{\"custom_id\":\"a\",\"method\":\"POST\"}", "missing_required_parameter"},
        {"{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/embeddings\"}", "url_mismatch"},
        {"{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"" CHAT "/\"}", "url_mismatch"},
        {LINE("null"), "missing_required_parameter"},
        {LINE("[]"), "missing_required_parameter"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_expect_str_eq(code_of(cases[i].line), cases[i].code, "%s", cases[i].line);
}

Test(batch_line, endpoints_check_bodies_as_they_would_be_checked_alone)
{
    static const struct {
        const char *url;
        const char *body;
        const char *param; /* NULL: it is fit */
    } cases[] = {
        {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", NULL},
        {CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}", NULL},
        {CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":true}",
         "stream"},
        {CHAT, "{\"model\":\"m\"}", "messages"},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\"}", NULL},
        {"/v1/embeddings", "{\"model\":\"m\",\"input\":[]}", "input"},
        {"/v1/threads/runs", "{\"assistant_id\":\"asst_1\",\"input\":\"x\"}", NULL},
        {"/v1/threads/runs", "{\"assistant_id\":\"asst_1\",\"stream\":true}", "stream"},
        {"/v1/threads/runs", "{\"assistant_id\":\"asst_1\",\"hat\":1}", "hat"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct failure failure = {0};
        struct json_object *body;
        struct error err;
        int r;

        cr_assert_eq(json_decode(text_of(cases[i].body), 20, &body, &err), 0);
        r = batch_endpoint_find(text_of(cases[i].url))->check(body, &failure);
        cr_expect_eq(r < 0, cases[i].param != NULL, "%s %s", cases[i].body, failure.message);
        cr_expect_str_eq(failure.param, cases[i].param ? cases[i].param : "", "%s", cases[i].body);
        json_free(body);
    }
}

Test(batch_line, endpoints_are_those_of_the_table)
{
    cr_assert_null(batch_endpoint_find(TEXT("/v1/moderations")));
    for (size_t i = 0; batch_endpoint_urls[i]; i++)
        cr_assert_str_eq(batch_endpoint_find(text_of(batch_endpoint_urls[i]))->url,
                         batch_endpoint_urls[i]);
}

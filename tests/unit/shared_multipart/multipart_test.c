/* Forms, whole and cut at each byte. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/multipart/multipart.h"

#define TYPE "multipart/form-data; boundary=xyz"

/* What comes out of one piece: each event as a line; data that belongs together as one. */
struct said {
    struct buf text;
    bool in_data;
    int result; /* of what ended it; 0: the form is complete */
};

static void say_part(struct said *said, const struct multipart_part *part)
{
    buf_printf(&said->text, "part [%.*s]", TEXT_ARGS(part->name));
    if (part->filename.ptr)
        buf_printf(&said->text, " file [%.*s]", TEXT_ARGS(part->filename));
    if (part->type.ptr)
        buf_printf(&said->text, " type [%.*s]", TEXT_ARGS(part->type));
    buf_add_string(&said->text, "\n");
}

static int feed(struct multipart *form, struct text piece, struct said *said, struct error *err)
{
    for (;;) {
        struct text data = TEXT_NONE;
        int r = multipart_next(form, &piece, &data, err);

        if (r == MULTIPART_DATA) {
            buf_add_string(&said->text, said->in_data ? "" : "data ");
            buf_add_text(&said->text, data);
            cr_assert(data.len > 0);
            said->in_data = true;
            continue;
        }
        if (said->in_data && r != MULTIPART_MORE) {
            buf_add_string(&said->text, "\n");
            said->in_data = false;
        }
        if (r == MULTIPART_PART)
            say_part(said, multipart_part(form));
        else if (r == MULTIPART_PART_END)
            buf_add_string(&said->text, "ends\n");
        else if (r == MULTIPART_END)
            buf_add_string(&said->text, "end\n");
        else
            return r;
    }
}

/* `cut` > body.len: pieces of cut - body.len bytes each. */
static struct said say(const char *type, struct text body, size_t cut)
{
    struct said said = {.in_data = false};
    struct multipart form;
    struct error err = {0};
    size_t step = cut > body.len ? cut - body.len : cut;
    int r = multipart_init(&form, text_of(type), &err);

    buf_init(&said.text, 0);
    for (size_t at = 0; r == 0 && at < body.len;) {
        size_t len = at > 0 && cut <= body.len ? body.len - at : step;
        char *piece; /* of its own, so that a read behind it is seen */

        if (len > body.len - at)
            len = body.len - at;
        piece = xmalloc(len + 1);
        memcpy(piece, body.ptr + at, len);
        r = feed(&form, (struct text){piece, len}, &said, &err);
        free(piece);
        at += len;
    }
    if (r == 0)
        r = multipart_end(&form, &err);
    if (r < 0)
        buf_printf(&said.text, "%s%s: %s\n", said.in_data ? "\n" : "", error_name(err.code),
                   err.text);
    said.result = r;
    multipart_deinit(&form);
    return said;
}

/* The same in one piece, cut in two at each byte, and in pieces of 1 to 9 bytes. */
static void says_of(const char *type, struct text body, const char *expected)
{
    for (size_t cut = 1; cut <= body.len + 9; cut++) {
        struct said said = say(type, body, cut);

        cr_assert_str_eq(buf_string(&said.text), expected, "cut at %zu of %zu:\n%s\nexpected\n%s",
                         cut, body.len, buf_string(&said.text), expected);
        buf_deinit(&said.text);
    }
}

static void says(const char *body, const char *expected)
{
    says_of(TYPE, text_of(body), expected);
}

#define FILE_HEAD "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n"
#define FIELD(name, value)                                                                         \
    "--xyz\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"

Test(multipart, parts_come_with_their_names_types_and_bytes)
{
    says(FIELD("purpose", "vision") "--xyz\r\n" FILE_HEAD "Content-Type: text/plain\r\n\r\n"
                                    "hello\r\n--xyz--\r\n",
         "part [purpose]\ndata vision\nends\npart [file] file [a.txt] type [text/plain]\n"
         "data hello\nends\nend\n");
}

Test(multipart, nothing_need_follow_the_last_boundary)
{
    says(FIELD("a", "b") "--xyz--", "part [a]\ndata b\nends\nend\n");
}

/* form-data-encoder, which clients of some years ago use, ends with an empty line. */
Test(multipart, an_empty_line_may_follow_the_last_boundary)
{
    says(FIELD("a", "b") "--xyz--\r\n\r\n", "part [a]\ndata b\nends\nend\n");
}

Test(multipart, a_part_may_be_empty)
{
    says(FIELD("a", "") "--xyz--\r\n", "part [a]\nends\nend\n");
}

Test(multipart, a_form_may_be_empty)
{
    says("--xyz--\r\n", "end\n");
}

Test(multipart, what_looks_like_a_boundary_and_is_none_is_data)
{
    says(FIELD("a", "\r\n--xy\r\r\n\r\n--\r\n--xyy\r\n-") "--xyz--",
         "part [a]\ndata \r\n--xy\r\r\n\r\n--\r\n--xyy\r\n-\nends\nend\n");
}

Test(multipart, a_boundary_at_the_very_start_of_a_part_ends_it)
{
    says("--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--xyz--",
         "part [a]\nends\nend\n");
}

Test(multipart, bytes_of_any_value_are_data)
{
    static const char head[] = "--xyz\r\n" FILE_HEAD "\r\n";
    CLEANUP(buf_deinit) struct buf body;
    CLEANUP(buf_deinit) struct buf bytes;
    struct said said;

    buf_init(&body, 0);
    buf_init(&bytes, 0);
    for (int i = 0; i < 1024; i++)
        buf_add_char(&bytes, (char)(i * 7 + i / 256));
    buf_add_string(&body, head);
    buf_add_text(&body, buf_text(&bytes));
    buf_add_string(&body, "\r\n--xyz--\r\n");
    for (size_t cut = 1; cut <= body.len + 9; cut++) {
        said = say(TYPE, buf_text(&body), cut);
        cr_assert_eq(said.result, 0);
        cr_assert_eq(said.text.len,
                     strlen("part [file] file [a.txt]\ndata \nends\nend\n") + bytes.len);
        cr_assert(memcmp(said.text.ptr + strlen("part [file] file [a.txt]\ndata "), bytes.ptr,
                         bytes.len) == 0);
        buf_deinit(&said.text);
    }
}

Test(multipart, file_names_are_what_clients_write)
{
    static const char *const names[][2] = {
        {"filename=\"a%22b.txt\"", "a\"b.txt"},
        {"filename=\"a\\\"b.txt\"", "a\"b.txt"},
        {"filename=\"C:\\d\\x.txt\"", "C:\\d\\x.txt"},
        {"filename=a.txt", "a.txt"},
        {"filename=\"\xc3\xa9\xe2\x82\xac.txt\"", "\xc3\xa9\xe2\x82\xac.txt"},
        {"filename=\"a%0Ab;=.txt\"", "a%0Ab;=.txt"},
        {"filename=\"\"", ""},
        {"size=3 ; FileName=\"x y\"", "x y"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char body[300];
        char expected[300];

        snprintf(body, sizeof(body),
                 "--xyz\r\ncontent-disposition:form-data; name=\"f\"; %s\r\n\r\nx\r\n--xyz--",
                 names[i][0]);
        snprintf(expected, sizeof(expected), "part [f] file [%s]\ndata x\nends\nend\n",
                 names[i][1]);
        says(body, expected);
    }
}

Test(multipart, the_boundary_is_read_from_the_content_type)
{
    static const char *const types[] = {
        "multipart/form-data; boundary=xyz",
        "Multipart/Form-Data;BOUNDARY=\"xyz\"",
        "multipart/form-data; charset=utf-8; boundary=xyz",
        "multipart/form-data;  boundary=xyz ; x=y",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        says_of(types[i], text_of("--xyz--"), "end\n");
    says_of("multipart/form-data; boundary=\"'()+_,-./:=? 0\"",
            text_of("--'()+_,-./:=? 0\r\nContent-Disposition: form-data; name=a\r\n\r\n"
                    "b\r\n--'()+_,-./:=? 0--"),
            "part [a]\ndata b\nends\nend\n");
}

Test(multipart, a_content_type_without_a_sane_boundary_is_refused)
{
    static const struct {
        const char *type;
        const char *why;
    } cases[] = {
        {"application/json", "invalid: the content type is not multipart/form-data\n"},
        {"", "invalid: the content type is not multipart/form-data\n"},
        {"multipart/form-data", "invalid: the content type names no boundary\n"},
        {"multipart/form-data;", "invalid: the content type is malformed: it must be "
                                 "multipart/form-data; boundary=TEXT\n"},
        {"multipart/form-data; boundary=", "invalid: the content type is malformed: it must be "
                                           "multipart/form-data; boundary=TEXT\n"},
        {"multipart/form-data; boundary=\"xyz", "invalid: the content type is malformed: it must "
                                                "be multipart/form-data; boundary=TEXT\n"},
        {"multipart/form-data; boundary=x; boundary=y",
         "invalid: the content type has two boundaries\n"},
        {"multipart/form-data; boundary=\"\"",
         "invalid: the boundary must be 1 to 70 letters, digits or characters of '()+_,-./:=?\n"},
        {"multipart/form-data; boundary=\"x \"",
         "invalid: the boundary must be 1 to 70 letters, digits or characters of '()+_,-./:=?\n"},
        {"multipart/form-data; boundary=\"x@\"",
         "invalid: the boundary must be 1 to 70 letters, digits or characters of '()+_,-./:=?\n"},
        {"multipart/form-data; boundary="
         "12345678901234567890123456789012345678901234567890123456789012345678901",
         "invalid: the boundary must be 1 to 70 letters, digits or characters of '()+_,-./:=?\n"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct said said = say(cases[i].type, TEXT("--xyz--"), 1);

        cr_assert_str_eq(buf_string(&said.text), cases[i].why, "%s: %s", cases[i].type,
                         buf_string(&said.text));
        buf_deinit(&said.text);
    }
}

Test(multipart, what_is_malformed_is_refused_with_a_sentence_wherever_it_is_cut)
{
    static const struct {
        const char *body;
        const char *said;
    } cases[] = {
        {"--xyy--", "protocol: the body does not begin with '--' and the boundary that the "
                    "Content-Type names\n"},
        {"preamble\r\n--xyz--", "protocol: the body does not begin with '--' and the boundary that "
                                "the Content-Type names\n"},
        {"--xyz \r\n", "protocol: a boundary is followed by something else than CR LF or '--'\n"},
        {"--xyz-\r\n", "protocol: a boundary is followed by something else than CR LF or '--'\n"},
        {"--xyz\n", "protocol: a boundary is followed by something else than CR LF or '--'\n"},
        {"--xyz\r-", "protocol: a boundary is followed by a CR without LF\n"},
        {"--xyz--\r\n\r\n\r", "end\nprotocol: the body goes on behind its last boundary\n"},
        {"--xyz--x", "end\nprotocol: the body goes on behind its last boundary\n"},
        {"--xyz--\r", "end\nprotocol: the body ends before its last boundary\n"},
        {"--xyz\r\n\r\n", "protocol: a part has no Content-Disposition\n"},
        {"--xyz\r\nContent-Type: text/plain\r\n\r\n",
         "protocol: a part has no Content-Disposition\n"},
        {"--xyz\r\nContent-Disposition: attachment; name=a\r\n\r\n",
         "protocol: the Content-Disposition of a part must be form-data\n"},
        {"--xyz\r\nContent-Disposition: form-data\r\n\r\n",
         "protocol: the Content-Disposition of a part has no name\n"},
        {"--xyz\r\nContent-Disposition: form-data; filename=a\r\n\r\n",
         "protocol: the Content-Disposition of a part has no name\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n",
         "protocol: the Content-Disposition of a part is malformed: a quoted value does not end\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=a;\r\n\r\n",
         "protocol: the Content-Disposition of a part is malformed: a parameter is not written as "
         "name=value\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=\r\n\r\n",
         "protocol: the Content-Disposition of a part is malformed: a parameter has no value\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=\"a\"b\r\n\r\n",
         "protocol: the Content-Disposition of a part is malformed: a parameter is followed by "
         "something else than ';'\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n",
         "protocol: a part has the same header or parameter twice\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=a; filename=b; filename=c\r\n\r\n",
         "protocol: a part has the same header or parameter twice\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''b\r\n\r\n",
         "protocol: filename* is not accepted: write the name of the file in UTF-8 as filename\n"},
        {"--xyz\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n",
         "protocol: a name in the headers of a part is not UTF-8\n"},
        {"--xyz\r\n" FILE_HEAD FILE_HEAD "\r\n",
         "protocol: a part has two Content-Disposition headers\n"},
        {"--xyz\r\nContent-Type: a\r\nContent-Type: b\r\n\r\n",
         "protocol: a part has the same header or parameter twice\n"},
        {"--xyz\r\n" FILE_HEAD "Content-Transfer-Encoding: base64\r\n\r\n",
         "protocol: the Content-Transfer-Encoding of a part must be binary: send its bytes as they "
         "are\n"},
        {"--xyz\r\n" FILE_HEAD " folded\r\n\r\n", "protocol: a header of a part is folded\n"},
        {"--xyz\r\nNo header\r\n\r\n",
         "protocol: a header of a part is not written as 'Name: value'\n"},
        {"--xyz\r\nName : value\r\n\r\n",
         "protocol: a header of a part is not written as 'Name: value'\n"},
        {"--xyz\r\n: value\r\n\r\n",
         "protocol: a header of a part is not written as 'Name: value'\n"},
        {"--xyz\r\nName: value\n\r\n",
         "protocol: a header of a part has a control character, or an LF that no CR precedes\n"},
        {"--xyz\r\nName: a\x01\r\n\r\n",
         "protocol: a header of a part has a control character, or an LF that no CR precedes\n"},
        {"--xyz\r\nName: a\rb\r\n\r\n",
         "protocol: a header of a part has a CR that no LF follows\n"},
        {"--xyz\r\n" FILE_HEAD "\r\nhello", "part [file] file [a.txt]\ndata hello\nprotocol: the "
                                            "body ends before its last boundary\n"},
        {"--xyz\r\n" FILE_HEAD, "protocol: the body ends before its last boundary\n"},
        {"--xy", "protocol: the body ends before its last boundary\n"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        says(cases[i].body, cases[i].said);
}

Test(multipart, an_empty_body_is_said_to_be_empty)
{
    struct said said = say(TYPE, TEXT(""), 1);

    cr_assert_str_eq(buf_string(&said.text), "protocol: the body is empty\n");
    buf_deinit(&said.text);
}

static void repeated(const char *head, const char *what, size_t count, const char *tail,
                     const char *ends_with)
{
    CLEANUP(buf_deinit) struct buf body;
    struct said said;

    buf_init(&body, 0);
    buf_add_string(&body, head);
    for (size_t i = 0; i < count; i++)
        buf_add_string(&body, what);
    buf_add_string(&body, tail);
    said = say(TYPE, buf_text(&body), body.len);
    cr_assert(text_ends(buf_text(&said.text), ends_with), "%s", buf_string(&said.text));
    buf_deinit(&said.text);
}

Test(multipart, headers_and_parts_have_limits)
{
    static const char begin[] = "--xyz\r\n" FILE_HEAD;

    repeated("", FIELD("a", "b"), 32, "--xyz--", "ends\nend\n");
    repeated("", FIELD("a", "b"), 33, "--xyz--", "limit: the form has more than 32 parts\n");
    repeated(begin, "A: b\r\n", 15, "\r\nx\r\n--xyz--", "data x\nends\nend\n");
    repeated(begin, "A: b\r\n", 16, "\r\nx\r\n--xyz--", "limit: a part has more than 16 headers\n");
    repeated("--xyz\r\nContent-Disposition: form-data; name=\"", "a", 8100,
             "\"\r\n\r\nx\r\n--xyz--", "data x\nends\nend\n");
    repeated("--xyz\r\nContent-Disposition: form-data; name=\"", "a", 8200,
             "\"\r\n\r\nx\r\n--xyz--", "limit: the headers of a part are over 8192 bytes\n");
}

Test(multipart, after_a_failure_everything_fails)
{
    struct text in = TEXT("xx");
    struct text data;
    struct multipart form;
    struct error err;

    cr_assert_eq(multipart_init(&form, TEXT(TYPE), &err), 0);
    cr_assert_eq(multipart_next(&form, &in, &data, &err), -E_PROTOCOL);
    cr_assert_eq(multipart_next(&form, &in, &data, &err), -E_PROTOCOL);
    cr_assert_eq(multipart_end(&form, &err), -E_PROTOCOL);
    multipart_deinit(&form);
}

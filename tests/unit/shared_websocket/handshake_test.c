/* What a server answers to a handshake. */

#include <criterion/criterion.h>

#include "shared/websocket/handshake.h"

Test(handshake, the_answer_is_that_of_the_rfc)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];

    cr_assert(websocket_accept(TEXT("dGhlIHNhbXBsZSBub25jZQ=="), accept));
    cr_expect_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    cr_assert(websocket_accept(TEXT("x3JJHMbDL1EzLkh9GBhXDw=="), accept));
    cr_expect_str_eq(accept, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

Test(handshake, a_key_is_sixteen_bytes_of_base64)
{
    static const char *const wrong[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQQ=",
        "dGhlIHNhbXBsZSBub25jZQQQ",
        "dGhlIHNhbXBsZSBub25j====",
        "dGhlIHNhbXBsZSBub25jZ===",
        "dGhlIHNhbXBsZSBub2*jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
    };
    char accept[WEBSOCKET_ACCEPT_SIZE];

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_expect_not(websocket_accept(text_of(wrong[i]), accept), "%s", wrong[i]);
}

Test(handshake, subprotocols_are_a_list)
{
    struct text rest = TEXT("penstock.v1, ticket.abc,,\tother ");
    struct text name;

    cr_assert(websocket_protocol_next(&rest, &name));
    cr_expect(text_is(name, "penstock.v1"));
    cr_assert(websocket_protocol_next(&rest, &name));
    cr_expect(text_is(name, "ticket.abc"));
    cr_assert(websocket_protocol_next(&rest, &name));
    cr_expect(text_is(name, "other"));
    cr_expect_not(websocket_protocol_next(&rest, &name));
    rest = TEXT_NONE;
    cr_expect_not(websocket_protocol_next(&rest, &name));
}

#pragma once
/* Ids of items: that of the message which an item is in, and its place there. So whoever shows an
 * item again, from whatever he has, gives it the same id. Pure.
 *
 *     msg_<message>          what somebody said
 *     fc_<message><place>    a call of a function of the client
 *     mcp_<message><place>   a call of a tool that the server runs, with what came of it
 *     fco_<message>          what came of a call of a function
 *     rs_<reply>             what a model thought before a reply; none is found by it
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"

enum item_kind {
    ITEM_MESSAGE,
    ITEM_FUNCTION_CALL,
    ITEM_SERVER_CALL,
    ITEM_OUTPUT,
    ITEM_THOUGHT,
};

#define ITEM_ID_SIZE   48
#define ITEM_CALLS_MAX 256 /* of one message */

struct item_id {
    enum item_kind kind;
    struct uuid message;
    size_t place; /* of a call, among those of its message */
};

void item_id_format(struct item_id id, char out[ITEM_ID_SIZE]);

/* That of what was thought before a reply, from the id of any of its steps, of its message, or of
 * itself: these differ in their last bits. */
struct item_id item_thought_id(struct uuid of);

/* False, output untouched: it is none of an item. */
MUSTCHECK bool item_id_parse(struct text text, struct item_id *out);

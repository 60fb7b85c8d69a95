#pragma once
/* What a tool of a server answered, as the text that a model is told. Pure.
 *
 * Texts are joined; structured content stands for them where there is none; what is no text is
 * named in a line, and a link is not followed.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct mcp_result_options {
    size_t max_bytes;  /* what is longer is cut, and the model is told so */
    struct text label; /* of the server, to say that it is data; TEXT_NONE: it is trusted */
};

struct mcp_result_told {
    bool is_error;
    bool is_cut;
};

/* Appends the text of the result of `tools/call`. */
void mcp_result_write(struct json_object *result, const struct mcp_result_options *options,
                      struct buf *out, struct mcp_result_told *told);

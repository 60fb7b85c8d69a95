#pragma once
/* Calls of tools that were written as JSON. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Borrows from the text that was read. */
struct prompted_call {
    struct text name;
    struct text arguments; /* what was written for them; TEXT_NONE: nothing */
    const char *problem;   /* a sentence for the model; NULL: it is in order */
};

/* The bytes of the object, array or string at the start of a text, as its brackets and quotes have
 * it; whether it is JSON is not looked at. 0: it does not end. */
size_t prompted_json_extent(struct text in);

/* From an object that json_raw_check passed. `tool` is what a tag around it names already, or
 * TEXT_NONE: then an object that names no tool itself is the arguments. False: it is no call. */
MUSTCHECK bool prompted_json_call(struct text object, struct text tool, struct prompted_call *out);

/* Sets the arguments, and a problem where they are no JSON object. A string may hold one: then
 * reply_form.h reads it. */
void prompted_set_arguments(struct prompted_call *call, struct text said);

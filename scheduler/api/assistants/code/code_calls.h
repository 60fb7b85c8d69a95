#pragma once
/* Calls of the code interpreter as OpenAI's objects have them. They are stored as all calls are,
 * as {"type":"code_interpreter","function":{name, arguments, output}}, and shown as
 * {"type":"code_interpreter","code_interpreter":{input, outputs}}. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* Appends the calls of a step; those of other tools as they are. */
void code_calls_render(struct text calls, struct buf *out);

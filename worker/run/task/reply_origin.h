#pragma once
/* How a reply of a model came about, for the step that tells of it. */

#include <stdint.h>

#include "shared/base/id.h"
#include "shared/base/text.h"

struct reply_origin {
    struct uuid id;    /* under which it is stored (shared/events/frame.h), and was told before */
    struct text tried; /* JSON array: models that could not answer before; TEXT_NONE: none */
    int64_t left_out;  /* of the conversation's messages, since the model's context is small */
};

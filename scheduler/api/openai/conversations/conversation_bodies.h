#pragma once
/* The bodies of conversations. Pure. */

#include "shared/check/fields.h"

extern const struct fields body_conversation;
extern const struct fields body_update_conversation;
extern const struct fields body_add_items;

#pragma once
/* Checks of items that clients send. Pure. */

#include "shared/check/fields.h"

#define ITEM_TEXT_MAX (10 << 20) /* characters of a text */
#define CALL_ID_MAX   256

/* An array of items; a field_check_fn. */
int check_items(struct json_object *value, const struct path *path, struct failure *failure);

/* `input`: a string, or an array of items. */
int check_input(struct json_object *value, const struct path *path, struct failure *failure);

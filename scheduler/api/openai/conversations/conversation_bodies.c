#include "scheduler/api/openai/conversations/conversation_bodies.h"

#include "scheduler/api/openai/items/item_checks.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE

/* clang-format off */
#define ITEMS_ADDED_MAX 20

static const struct field conversation[] = {
    {"items", FIELD_ARRAY, NULLABLE, 0, ITEMS_ADDED_MAX, NULL, check_items},
    {"metadata", FIELD_METADATA, NULLABLE, 0, 0, NULL, NULL},
};

static const struct field update_conversation[] = {
    {"metadata", FIELD_METADATA, REQUIRED | NULLABLE, 0, 0, NULL, NULL},
};

static const struct field add_items[] = {
    {"items", FIELD_ARRAY, REQUIRED, 1, ITEMS_ADDED_MAX, NULL, check_items},
};
/* clang-format on */

#define TABLE(name) name, ARRAY_LENGTH(name), sizeof(name[0]), NULL, 0

const struct fields body_conversation = {TABLE(conversation)};
const struct fields body_update_conversation = {TABLE(update_conversation)};
const struct fields body_add_items = {TABLE(add_items)};

#pragma once
/* Lists, in OpenAI's form: {"object":"list","data":[…],"first_id":…,"last_id":…,"has_more":…}.
 * The same three functions for every list:
 *
 *     struct list list;
 *
 *     r = list_begin(&list, request, ID_RUN);          limit, order, after and before of the query
 *     … fetch by list.page …
 *     for each: list_add(&list, id), then render it       into request->reply
 *     list_end(&list, has_more);
 */

#include "scheduler/api/request.h"

/* The query of an endpoint that lists, for its table; further members stand behind it. */
#define LIST_QUERY "limit", "order", "after", "before"

extern const char *const list_query[];

struct list {
    struct page page; /* to fetch */
    struct buf *out;
    enum id_kind kind;
    size_t count;
    char first[ID_TEXT_SIZE]; /* cursors */
    char last[ID_TEXT_SIZE];
};

/* Returns 0, or -E_INVALID with request->failure. */
MUSTCHECK int list_begin(struct list *list, struct request *request, enum id_kind kind);

/* The next element, whose text the caller then appends to request->reply. */
void list_add(struct list *list, struct uuid id);

void list_end(struct list *list, bool has_more);

/* For lists whose cursors are numbers (versions): list_begin without `after` and `before`, and
 * list_add with a number. */
MUSTCHECK int list_begin_numbers(struct list *list, struct request *request);
void list_add_number(struct list *list, int64_t number);

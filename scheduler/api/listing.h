#pragma once
/* Lists, in OpenAI's form: {"object":"list","data":[…],"first_id":…,"last_id":…,"has_more":…}. The
 * same three functions for every list:
 *
 *     struct listing list;
 *
 *     r = listing_begin(&list, request, ID_RUN);     limit, order, after and before of the query
 *     … fetch by list.page …
 *     for each: listing_add(&list, id), then render it       into request->reply
 *     listing_end(&list, has_more);
 */

#include "scheduler/api/request.h"

/* The query of an endpoint that lists, for its table; further members stand behind it. */
#define LISTING_QUERY "limit", "order", "after", "before"

extern const char *const listing_query[];

/* A page ends where it would become larger, and says that there is more. */
#define LISTING_BYTES_MAX ((size_t)4 << 20)

struct listing {
    struct page page; /* to fetch */
    struct buf *out;
    enum id_kind kind;
    size_t count;
    char first[ID_TEXT_SIZE]; /* cursors */
    char last[ID_TEXT_SIZE];
    struct text first_text; /* those of a list whose cursors are texts */
    struct text last_text;
};

/* Returns 0, or -E_INVALID with request->failure. */
MUSTCHECK int listing_begin(struct listing *list, struct request *request, enum id_kind kind);

/* The same for small elements: up to `max` of them, which is what a page has where nothing is
 * said. */
MUSTCHECK int listing_begin_long(struct listing *list, struct request *request, enum id_kind kind,
                                 int max);

/* The next element, whose text the caller then appends to request->reply. */
void listing_add(struct listing *list, struct uuid id);

void listing_end(struct listing *list, bool has_more);

/* For lists whose cursors are numbers (versions): listing_begin without `after` and `before`, and
 * list_add with a number. */
MUSTCHECK int listing_begin_numbers(struct listing *list, struct request *request);
void listing_add_number(struct listing *list, int64_t number);

/* For lists whose cursors are texts of up to `max` characters: as listing_begin_numbers, and
 * listing_add with a text, which must live as long as the list. A cursor that is not given is
 * TEXT_NONE. */
MUSTCHECK int listing_begin_texts(struct listing *list, struct request *request, size_t max,
                                  struct text *out_after, struct text *out_before);
void listing_add_text(struct listing *list, struct text text);

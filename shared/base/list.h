#pragma once
/* An intrusive doubly linked ring with a head. "State is the list you are on." */

#include "shared/base/compiler.h"

struct list {
    struct list *prev;
    struct list *next;
};

static inline void list_init(struct list *list)
{
    list->prev = list->next = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

/* Waiters lie in the frames of those who wait and are taken off before they return, which gcc 12
 * does not see across a suspension when it optimises. */
#if !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdangling-pointer"
#endif

static inline void list_insert(struct list *before, struct list *item)
{
    item->next = before;
    item->prev = before->prev;
    before->prev->next = item;
    before->prev = item;
}

#if !defined(__clang__) && __GNUC__ >= 12
#pragma GCC diagnostic pop
#endif

/* At the end. */
static inline void list_add(struct list *head, struct list *item)
{
    list_insert(head, item);
}

/* Safe on an item that is on no list, provided it was initialised. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* The first item taken off, or NULL. */
static inline struct list *list_pop(struct list *head)
{
    struct list *item = head->next;

    if (item == head)
        return NULL;
    list_remove(item);
    return item;
}

#define list_for_each(item, head)                                                                  \
    for (struct list *item = (head)->next; item != (head); item = item->next)

/* The item may be removed in the body. */
#define list_for_each_safe(item, head)                                                             \
    for (struct list *item = (head)->next, *item##_next = item->next; item != (head);              \
         item = item##_next, item##_next = item->next)

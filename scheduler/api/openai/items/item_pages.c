/* A message may be no item (what came of a server's call), or many. So as many messages are read as
 * it takes, and where a cursor is an item within a message that one is read, too.
 *
 * What came of a call stands right behind it. Where a page ends between the two, one more is
 * read. */

#include "scheduler/api/openai/items/item_pages.h"

#include "shared/fiber/offload.h"
#include "shared/store/threads/messages.h"

#define RESULTS_AT_ONCE 300

const char *const item_pages_query[] = {"limit", "order", "after", "include", "include[]", NULL};

struct paging {
    struct request *request;
    struct listing list;
    struct uuid thread;
    struct message_filter filter;
    bool has_cursor;
    struct item_id cursor;
    struct message *messages; /* in the order of the thread */
    size_t count;
    bool has_more; /* messages behind these */
    struct uuid edge;
    struct items items;
    size_t first; /* of the items that are shown, in the order of the thread */
    size_t shown;
};

static int cursor_unfit(struct request *request, struct text text)
{
    char shown[64];

    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "after", "invalid_value",
                         "Invalid 'after': '%s' is not in this list.", shown);
}

static int begin(struct paging *paging)
{
    struct request *request = paging->request;
    struct text after = http_query_get(request->exchange, "after", 0);
    int r = listing_begin_numbers(&paging->list, request);

    if (r < 0 || after.len == 0)
        return r;
    paging->has_cursor = item_id_parse(after, &paging->cursor);
    if (!paging->has_cursor)
        return cursor_unfit(request, after);
    paging->edge = paging->cursor.message;
    return 0;
}

/* Puts a page to the others. `page` is in the order of the list. */
static int add_page(struct paging *paging, const struct message_list *page)
{
    bool ascending = paging->list.page.ascending;
    size_t count = paging->count + page->count;
    struct message *all =
        arena_calloc(paging->request->store.arena, count + 1, sizeof(*paging->messages));
    struct error err;

    if (!all)
        return request_failed(paging->request, (error_set(&err, E_LIMIT, "no room"), &err));
    for (size_t i = 0; i < paging->count; i++)
        all[ascending ? i : page->count + i] = paging->messages[i];
    for (size_t i = 0; i < page->count; i++)
        all[ascending ? paging->count + i : page->count - 1 - i] = page->items[i];
    paging->messages = all;
    paging->count = count;
    if (page->count > 0)
        paging->edge = page->items[page->count - 1].id;
    return 0;
}

/* Whether the cursor is an item, of this thread: its message may be another kind of item, or have
 * fewer calls. */
static bool is_here(const struct paging *paging, const struct message_list *found)
{
    const struct item_source source = {
        .messages = found->items, .count = found->count, .is_servers = item_is_servers};
    struct items items;
    const struct item *item;
    struct error err;

    if (items_of(&source, paging->request->store.arena, &items, &err) < 0)
        return false;
    item = items_find(&items, paging->cursor);
    return item && uuid_equal(item->message->thread_id, paging->thread);
}

/* The message of the cursor, whose further items are on the page; with the results of its calls
 * where these stand on the other side. */
static int add_cursor(struct paging *paging)
{
    struct request *request = paging->request;
    struct message_list found;
    struct message_list wanted = {.count = 0};
    struct error err;
    int r = messages_find(&request->store, &paging->cursor.message, 1, &found, &err);

    if (r < 0)
        return request_failed(request, &err);
    wanted.items = arena_calloc(request->store.arena, found.count + 1, sizeof(*wanted.items));
    if (!wanted.items)
        return request_failed(request, (error_set(&err, E_LIMIT, "no room"), &err));
    if (found.count > 0 && !is_here(paging, &found))
        return cursor_unfit(request, http_query_get(request->exchange, "after", 0));
    for (size_t i = 0; i < found.count; i++) {
        const struct message *message = &found.items[i];
        bool is_it = uuid_equal(message->id, paging->cursor.message);

        if (is_it || !paging->list.page.ascending)
            wanted.items[wanted.count++] = *message;
    }
    for (size_t i = 0; !paging->list.page.ascending && i < wanted.count / 2; i++) {
        struct message other = wanted.items[i];

        wanted.items[i] = wanted.items[wanted.count - 1 - i];
        wanted.items[wanted.count - 1 - i] = other;
    }
    r = add_page(paging, &wanted);
    paging->edge = paging->cursor.message;
    return r;
}

/* Returns 0, THREAD_MISSING, or -E_INVALID with request->failure. */
static int add_messages(struct paging *paging, int limit)
{
    struct request *request = paging->request;
    const struct page page = {
        .limit = limit,
        .ascending = paging->list.page.ascending,
        .after = paging->edge,
        .bytes_max = LISTING_BYTES_MAX,
    };
    struct message_list messages;
    struct error err;
    int r = messages_list(&request->store, paging->thread, &paging->filter, &page, &messages, &err);

    if (r == CURSOR_MISSING)
        return cursor_unfit(request, http_query_get(request->exchange, "after", 0));
    if (r != 0)
        return r < 0 ? request_failed(request, &err) : r;
    paging->has_more = messages.has_more;
    return add_page(paging, &messages);
}

/* The items so far, and which of them are shown. */
static int find_items(struct paging *paging)
{
    const struct item_source source = {
        .messages = paging->messages, .count = paging->count, .is_servers = item_is_servers};
    struct request *request = paging->request;
    const struct item *cursor;
    size_t from = 0;
    size_t to;
    struct error err;

    if (items_of(&source, request->store.arena, &paging->items, &err) < 0)
        return request_failed(request, &err);
    to = paging->items.count;
    cursor = paging->has_cursor ? items_find(&paging->items, paging->cursor) : NULL;
    if (cursor && paging->list.page.ascending)
        from = (size_t)(cursor - paging->items.list) + 1;
    else if (cursor)
        to = (size_t)(cursor - paging->items.list);
    paging->first = from;
    paging->shown = to - from;
    return 0;
}

static bool lacks_result(const struct paging *paging)
{
    for (size_t i = 0; i < paging->shown; i++) {
        const struct item *item = &paging->items.list[paging->first + i];

        if (item->id.kind == ITEM_SERVER_CALL && !item->result)
            return true;
    }
    return false;
}

/* As many as were asked for. Returns true where there are more. */
static bool cut(struct paging *paging)
{
    size_t limit = (size_t)paging->list.page.limit;
    bool more = paging->shown > limit;

    if (more && !paging->list.page.ascending)
        paging->first += paging->shown - limit;
    if (more)
        paging->shown = limit;
    return more || paging->has_more;
}

static void write_items(void *arg)
{
    struct paging *paging = arg;
    struct arena *arena = paging->request->store.arena;

    for (size_t i = 0; i < paging->shown; i++) {
        size_t at = paging->list.page.ascending ? i : paging->shown - 1 - i;
        const struct item *item = &paging->items.list[paging->first + at];
        char *id = arena_calloc(arena, 1, ITEM_ID_SIZE);

        if (!id)
            return;
        item_id_format(item->id, id);
        listing_add_text(&paging->list, text_of(id));
        item_write(item, paging->list.out);
    }
}

static void write_list(struct paging *paging, bool more)
{
    size_t bytes = 0;

    for (size_t i = 0; i < paging->count; i++)
        bytes += paging->messages[i].content.len + paging->messages[i].tool_calls.len;
    offload_large(bytes, write_items, paging);
    listing_end(&paging->list, more);
}

static int gather(struct paging *paging)
{
    int limit = paging->list.page.limit + 1;
    int r = paging->has_cursor ? add_cursor(paging) : 0;

    do {
        if (r == 0)
            r = add_messages(paging, limit);
        if (r == 0)
            r = find_items(paging);
    } while (r == 0 && paging->has_more && paging->shown <= (size_t)paging->list.page.limit);
    if (r == 0 && paging->has_more && paging->list.page.ascending && lacks_result(paging)) {
        r = add_messages(paging, RESULTS_AT_ONCE);
        if (r == 0)
            r = find_items(paging);
    }
    return r;
}

int item_pages_show(struct request *request, struct uuid thread, struct uuid came_with,
                    int (*missing)(struct request *))
{
    struct paging paging = {
        .request = request,
        .thread = thread,
        .filter = {.came_with = came_with, .hidden = true},
    };
    int r = begin(&paging);

    if (r == 0)
        r = gather(&paging);
    if (r == THREAD_MISSING)
        return missing(request);
    if (r == 0)
        write_list(&paging, cut(&paging));
    return r;
}

int item_pages_show_all(struct request *request, const struct message *messages, size_t count)
{
    const struct message_list all = {.items = (struct message *)messages, .count = count};
    struct paging paging = {.request = request};
    int r;

    paging.list = (struct listing){.out = &request->reply, .page.ascending = true};
    buf_add_string(&request->reply, "{\"object\":\"list\",\"data\":[");
    r = add_page(&paging, &all);
    if (r == 0)
        r = find_items(&paging);
    if (r == 0)
        write_list(&paging, false);
    return r;
}

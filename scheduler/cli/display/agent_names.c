/* Names of agents, and columns. */

#include "scheduler/cli/display/agent_names.h"

#include <stdio.h>

#include "scheduler/cli/terminal.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"

void agent_names_init(struct agent_names *names, struct client *client)
{
    *names = (struct agent_names){client, json_object_new_object()};
}

void agent_names_deinit(struct agent_names *names)
{
    json_free(names->known);
}

int agent_names_find(struct agent_names *names, const char *id, struct text *out, struct error *err)
{
    CLEANUP(freep) char *path = NULL;
    struct client_reply reply = {0};
    struct text name;
    int r;

    *out = text_of(id);
    if (!client_is_plain(id))
        return 0;
    if (!json_has(names->known, id)) {
        path = xasprintf("/v1/assistants/%s", id);
        r = client_get(names->client, path, &reply, err);
        if (r < 0 && r != -E_NOT_FOUND)
            return r;
        name = json_get_text(reply.json, "name");
        name = name.len > 0 ? name : text_of(id);
        json_object_object_add(names->known, id,
                               json_object_new_string_len(name.ptr, (int)name.len));
        client_reply_deinit(&reply);
    }
    *out = json_get_text(names->known, id);
    return 0;
}

void print_column(struct text text, size_t width)
{
    CLEANUP(buf_deinit) struct buf line = {0};
    size_t shown = 0;

    buf_init(&line, 0);
    terminal_shorten(text, width, &line);
    for (size_t i = 0; i < line.len; i++)
        shown += ((unsigned char)line.ptr[i] & 0xC0) != 0x80;
    printf("%s%*s", buf_string(&line), shown < width ? (int)(width - shown) : 0, "");
}

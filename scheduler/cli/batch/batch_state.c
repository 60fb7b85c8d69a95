/* The batch that is under way, in a file beside its results. */

#include <stdio.h>

#include "scheduler/cli/batch/batch.h"
#include "scheduler/cli/files.h"
#include "shared/json/json_write.h"

#define STATE_BYTES_MAX 4096

static bool take(struct json_object *json, const char *name, char *out, size_t size)
{
    const char *value = json_get_string(json, name);

    if (!value || strlen(value) >= size || (*value && !client_is_plain(value)))
        return false;
    (void)snprintf(out, size, "%s", value);
    return true;
}

int batch_state_read(const char *path, struct batch_state *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *json = NULL;
    CLEANUP(buf_deinit) struct buf text = {0};
    struct batch_state state;
    int r;

    buf_init(&text, STATE_BYTES_MAX);
    r = file_read(path, &text, err);
    if (r < 0)
        return r;
    if (json_decode(buf_text(&text), JSON_DEPTH_DEFAULT, &json, err) < 0 ||
        !take(json, "lines", state.lines, sizeof(state.lines)) ||
        !take(json, "key", state.key, sizeof(state.key)) ||
        !take(json, "file", state.file, sizeof(state.file)) ||
        !take(json, "batch", state.id, sizeof(state.id)))
        return error_set(err, E_INVALID,
                         "%s does not say which batch is under way: it is none of this command's, "
                         "or was changed",
                         path);
    *out = state;
    return 0;
}

int batch_state_write(const char *path, const struct batch_state *state, struct error *err)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    struct json_write w;

    buf_init(&text, STATE_BYTES_MAX);
    json_write_init(&w, &text);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "batch", state->id);
    json_write_string(&w, "lines", state->lines);
    json_write_string(&w, "key", state->key);
    json_write_string(&w, "file", state->file);
    json_write_close(&w);
    buf_add_char(&text, '\n');
    return file_write_private(path, buf_text(&text), err);
}

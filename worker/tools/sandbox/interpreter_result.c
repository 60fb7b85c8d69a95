/* The result of a program. */

#include "worker/tools/sandbox/interpreter_result.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "shared/json/json_write.h"
#include "worker/tools/sandbox/archive.h"

#define SHORT_BYTES ((size_t)16 << 10) /* of each output, where all of it does not fit */

static void add_signal(const struct interpreter_result *result, int number, struct buf *out)
{
    if (number == SIGXFSZ)
        buf_add_string(out, "The program was ended: a file grew over 16 MiB.");
    else if (number == SIGXCPU || number == SIGKILL)
        buf_printf(out,
                   "The program was ended by signal %d: it took more than %" PRId64
                   " s of the processor, or more memory than there is.",
                   number, result->options->cpu_seconds);
    else
        buf_printf(out, "The program was ended by signal %d (%s).", number, strsignal(number));
}

static void add_note(const struct interpreter_result *result, struct buf *out)
{
    const struct sandbox_outcome *outcome = result->outcome;

    if (outcome->flooded)
        buf_add_string(out, "The program was ended since it printed too much; files are lost.");
    else if (outcome->lost)
        buf_add_string(out, "The sandbox ended with the program; files are lost.");
    else if (outcome->end.ending == ENDED_BY_TIME)
        buf_printf(out, "The program was ended after %" PRId64 " ms.", result->options->wall_ms);
    else if (outcome->end.ending == ENDED_BY_EXCESS)
        buf_printf(out, "The program was ended, since %s.", outcome->end.text);
    else if (outcome->end.ending == ENDED_BY_SIGNAL)
        add_signal(result, outcome->end.value, out);
    if (result->note.len > 0)
        buf_printf(out, "%s%.*s", out->len > 0 ? " " : "", TEXT_ARGS(result->note));
}

/* Its beginning, where all of it is too much. Returns how many bytes are left out. */
static uint64_t write_output(struct json_write *w, const char *name, const struct capture *capture,
                             bool brief)
{
    uint64_t left_out = capture_left_out(capture);
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, 0);
    capture_write(capture, &text);
    if (brief && text.len > SHORT_BYTES) {
        struct text head = text_prefix(buf_text(&text), SHORT_BYTES);

        left_out += text.len - head.len;
        text.len = head.len;
        buf_add_string(&text, "\n[… the rest is left out …]");
    }
    json_write_text(w, name, buf_text(&text));
    return left_out;
}

static void write_files(struct json_write *w, const struct interpreter_result *result)
{
    json_write_open_array(w, "files");
    for (size_t i = 0; i < result->file_count; i++) {
        const struct interpreter_file *file = &result->files[i];
        char id[ID_TEXT_SIZE];

        id_format(ID_FILE, file->id, id);
        json_write_open_object(w, NULL);
        json_write_text(w, "name", file->name);
        json_write_string(w, "file_id", id);
        json_write_int(w, "bytes", (int64_t)file->bytes);
        if (file->image)
            json_write_raw(w, "image", TEXT("true"));
        json_write_close(w);
    }
    json_write_close(w);
}

static void write_skipped(struct json_write *w, struct text archive)
{
    struct archive_entry entry;
    bool any = false;

    while (archive_next(&archive, &entry, NULL) == 0) {
        if (entry.kind != ARCHIVE_SKIPPED || !text_is_utf8(entry.bytes))
            continue;
        if (!any)
            json_write_open_array(w, "skipped");
        any = true;
        json_write_open_object(w, NULL);
        json_write_text(w, "name", entry.path);
        json_write_text(w, "why", text_prefix(entry.bytes, 100));
        json_write_close(w);
    }
    if (any)
        json_write_close(w);
}

static uint64_t write_all(const struct interpreter_result *result, bool brief, struct buf *out)
{
    const struct sandbox_outcome *outcome = result->outcome;
    CLEANUP(buf_deinit) struct buf note;
    struct json_write w;
    uint64_t left_out;

    buf_init(&note, 0);
    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    if (!outcome->lost && outcome->end.ending == ENDED_BY_ITSELF)
        json_write_int(&w, "exit_code", outcome->end.value);
    else
        json_write_raw(&w, "exit_code", TEXT("null"));
    left_out = write_output(&w, "stdout", &outcome->out, brief);
    if (outcome->error.bytes > 0)
        left_out += write_output(&w, "stderr", &outcome->error, brief);
    add_note(result, &note);
    if (note.len > 0)
        json_write_text(&w, "note", buf_text(&note));
    if (result->file_count > 0)
        write_files(&w, result);
    write_skipped(&w, buf_text(&outcome->archive));
    json_write_close(&w);
    return left_out;
}

/* What is full of control characters grows sixfold as JSON. */
uint64_t interpreter_result_write(const struct interpreter_result *result, struct buf *out)
{
    size_t limit = out->limit;
    uint64_t left_out = write_all(result, false, out);

    if (!out->failed)
        return left_out;
    buf_deinit(out);
    buf_init(out, limit);
    return write_all(result, true, out);
}

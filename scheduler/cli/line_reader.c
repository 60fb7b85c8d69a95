/* Lines by libedit, or by getline.
 *
 * Ctrl-C at the prompt takes the line back, and SIGTERM ends the lines. The loop's own handler
 * would let the read go on, so another one stands in its place while a line is read; and a signal
 * gets through only while a key is waited for, since libedit would read on after one that came
 * between two keys.
 */

#include "scheduler/cli/line_reader.h"

#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

enum { HISTORY_LINES = 1000 };

struct line_reader {
    EditLine *edit; /* NULL: nobody types */
    History *history;
    char *path;
    const char *prompt;
    char *line; /* getline's */
    size_t size;
};

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
    caught = signal;
}

/* What libedit calls for a key: 1 with a character, 0 at the end, -1 for a signal. A byte that
 * begins or continues no character is shown as U+FFFD. */
static int read_key(EditLine *edit, wchar_t *out)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    mbstate_t state = {0};
    sigset_t none;
    char byte;

    (void)edit;
    sigemptyset(&none);
    for (;;) {
        size_t length;

        if (caught != 0 || ppoll(&keys, 1, NULL, &none) < 0)
            return -1;
        if (read(STDIN_FILENO, &byte, 1) != 1)
            return 0;
        length = mbrtowc(out, &byte, 1, &state);
        if (length == (size_t)-1)
            *out = 0xFFFD;
        if (length != (size_t)-2)
            return 1;
    }
}

static char *prompt_of(EditLine *edit)
{
    struct line_reader *reader = NULL;

    (void)el_get(edit, EL_CLIENTDATA, &reader);
    return (char *)(uintptr_t)reader->prompt; /* libedit does not write there */
}

/* Folders of a path, for their owner alone. */
static void make_folders(const char *path)
{
    CLEANUP(freep) char *folder = xstrdup(path);

    for (char *at = folder + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        (void)mkdir(folder, 0700);
        *at = '/';
    }
}

static void save(const struct line_reader *reader)
{
    mode_t before = umask(077);
    HistEvent event;

    make_folders(reader->path);
    (void)history(reader->history, &event, H_SAVE, reader->path);
    (void)umask(before);
}

/* Characters are UTF-8 whatever the locale says. */
static void use_utf8(void)
{
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        (void)setlocale(LC_CTYPE, "C.UTF-8");
}

static void open_editor(struct line_reader *reader)
{
    HistEvent event;

    use_utf8();
    reader->edit = el_init("penstock", stdin, stdout, stderr);
    reader->history = history_init();
    if (!reader->edit || !reader->history)
        return;
    (void)history(reader->history, &event, H_SETSIZE, HISTORY_LINES);
    (void)history(reader->history, &event, H_SETUNIQUE, 1);
    if (reader->path)
        (void)history(reader->history, &event, H_LOAD, reader->path);
    (void)el_set(reader->edit, EL_CLIENTDATA, reader);
    (void)el_set(reader->edit, EL_PROMPT, prompt_of);
    (void)el_set(reader->edit, EL_GETCFN, read_key);
    (void)el_set(reader->edit, EL_EDITOR, "emacs");
    (void)el_set(reader->edit, EL_HIST, history, reader->history);
    (void)el_source(reader->edit, NULL); /* ~/.editrc */
}

struct line_reader *line_reader_open(const char *path)
{
    struct line_reader *reader = xcalloc(1, sizeof(*reader));

    if (isatty(STDIN_FILENO) != 1)
        return reader;
    reader->path = path ? xstrdup(path) : NULL;
    open_editor(reader);
    return reader;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader)
        return;
    if (reader->path && reader->history)
        save(reader);
    if (reader->edit)
        el_end(reader->edit);
    if (reader->history)
        history_end(reader->history);
    free(reader->path);
    free(reader->line);
    free(reader);
}

bool line_reader_has_person(const struct line_reader *reader)
{
    return reader->edit != NULL;
}

/* As el_gets, with the signal that ended it in `caught`. */
static const char *type_line(struct line_reader *reader, const char *prompt, int *out_len)
{
    static const int signals[] = {SIGINT, SIGTERM};
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before[ARRAY_LENGTH(signals)];
    sigset_t held;
    sigset_t mask;
    const char *line;

    reader->prompt = prompt;
    caught = 0;
    sigemptyset(&held);
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
        (void)sigaddset(&held, signals[i]);
        (void)sigaction(signals[i], &action, &before[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &held, &mask);
    (void)el_set(reader->edit, EL_PREP_TERM, 1); /* before the prompt: keys may come at once */
    line = el_gets(reader->edit, out_len);
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    return line;
}

static int read_typed(struct line_reader *reader, const char *prompt, struct text *out)
{
    int len = 0;
    const char *line = type_line(reader, prompt, &len);

    if (line && len > 0) {
        *out = (struct text){line, (size_t)len};
        return 0;
    }
    (void)fputc('\n', stdout);
    return caught == SIGINT ? LINE_INTERRUPTED : LINE_END;
}

static int read_piped(struct line_reader *reader, struct text *out, struct error *err)
{
    ssize_t len = getline(&reader->line, &reader->size, stdin);

    if (len >= 0) {
        *out = (struct text){reader->line, (size_t)len};
        return 0;
    }
    return ferror(stdin) ? error_set(err, E_SYSTEM, "can't read standard input") : LINE_END;
}

int line_reader_next(struct line_reader *reader, const char *prompt, struct buf *out,
                     struct error *err)
{
    struct text line;
    int r = reader->edit ? read_typed(reader, prompt, &line) : read_piped(reader, &line, err);

    buf_reset(out);
    if (r != 0)
        return r;
    while (line.len > 0 && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    if (line.len > LINE_BYTES_MAX)
        return error_set(err, E_LIMIT, "a line of more than %zu bytes", LINE_BYTES_MAX);
    if (!text_is_utf8(line) || memchr(line.ptr, '\0', line.len))
        return error_set(err, E_INVALID, "a line that is not UTF-8");
    buf_add_text(out, line);
    return 0;
}

void line_reader_remember(struct line_reader *reader, const char *line)
{
    HistEvent event;

    if (reader->history && *line)
        (void)history(reader->history, &event, H_ENTER, line);
}

char *line_reader_history(const char *name)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (state && *state == '/')
        return xasprintf("%s/penstock/%s", state, name);
    return home && *home == '/' ? xasprintf("%s/.local/state/penstock/%s", home, name) : NULL;
}

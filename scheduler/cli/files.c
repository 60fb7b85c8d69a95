/* Reading files whole, and writing private ones at once. */

#include "scheduler/cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

int file_read(const char *path, struct buf *out, struct error *err)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    FILE *stream = standard ? stdin : fopen(path, "re");
    size_t limit = out->limit;
    size_t count = 1;
    int r = 0;

    if (!stream && errno == ENOENT)
        return error_set(err, E_NOT_FOUND, "there is no file %s", path);
    if (!stream)
        return error_set_errno(err, errno, "open %s", path);
    while (count > 0 && r == 0) {
        char chunk[4096];

        count = fread(chunk, 1, sizeof(chunk), stream);
        buf_add(out, chunk, count);
        if (buf_check(out, NULL) < 0)
            r = error_set(err, E_LIMIT, "%s is larger than %zu bytes", name, limit);
    }
    if (r == 0 && ferror(stream))
        r = error_set_errno(err, errno, "read %s", name);
    if (!standard)
        (void)fclose(stream);
    return r;
}

int file_read_named(const char *path, struct buf *out, struct error *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    size_t start = out->len;
    int r = file_read(path, out, err);

    if (r == -E_NOT_FOUND)
        return error_set(err, E_INVALID, "there is no file %s", path);
    if (r == 0 && start == 0 && text_starts(buf_text(out), mark))
        buf_consume(out, sizeof(mark) - 1);
    return r;
}

static int write_all(int fd, struct text text)
{
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        text.ptr += written;
        text.len -= (size_t)written;
    }
    return fsync(fd);
}

int file_write_private(const char *path, struct text text, struct error *err)
{
    CLEANUP(freep) char *temporary = xasprintf("%s.new.%ld", path, (long)getpid());
    int fd;
    int r = 0;

    (void)unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "create %s", temporary);
    if (write_all(fd, text) < 0)
        r = error_set_errno(err, errno, "write %s", temporary);
    (void)close(fd);
    if (r == 0 && rename(temporary, path) < 0)
        r = error_set_errno(err, errno, "rename %s to %s", temporary, path);
    if (r < 0)
        (void)unlink(temporary);
    return r;
}

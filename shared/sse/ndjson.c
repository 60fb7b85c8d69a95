/* Newline-delimited JSON. */

#include "shared/sse/ndjson.h"

void ndjson_init(struct ndjson_reader *reader, size_t max_bytes)
{
    lines_init(&reader->lines, max_bytes, false);
}

void ndjson_deinit(struct ndjson_reader *reader)
{
    lines_deinit(&reader->lines);
}

int ndjson_next(struct ndjson_reader *reader, struct text *bytes, struct text *out,
                struct error *err)
{
    struct text line;
    int r;

    do {
        r = lines_next(&reader->lines, bytes, &line, err);
        if (r != 0)
            return r;
        line = text_trim(line);
    } while (line.len == 0);
    *out = line;
    return 0;
}

bool ndjson_end(struct ndjson_reader *reader, struct text *out)
{
    struct text line = text_trim(lines_rest(&reader->lines));

    if (line.len == 0)
        return false;
    *out = line;
    return true;
}

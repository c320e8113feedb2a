/* Decodes a part of a JPEG, at 1/1, 1/2, 1/4 or 1/8 straight from its frequencies, to the pixels of decoding all of it.

   Only what is simple and common: 8 bits, one interleaved scan, YCbCr or grey, no metadata that could turn the picture.
   All else, and whatever libjpeg warns of, is answered with DECLINED, and Pillow decides. */
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "huffman.h"

#ifndef UTP_SOURCE_HASH
#define UTP_SOURCE_HASH 0
#endif
#define EXPORT __attribute__((visibility("default")))
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

enum { DONE = 0, DECLINED = 1 };
enum { MAX_EDGE = 65500, MARGIN = 4 }; /* upsampling reads one sample of chroma beyond; 4 pixels are two at 4:2:0 */

typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf jump;
} Errors;

EXPORT uint32_t utp_source_hash(void) { return UTP_SOURCE_HASH; }

EXPORT const char *utp_jpeg_library(void) { return "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION); }

static void leave(j_common_ptr info) { longjmp(((Errors *)info->err)->jump, 1); }

/* Warnings too: what the file says may then be read in several ways. Traces have a level of 0 and above. */
static void leave_on_warning(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

static void start(struct jpeg_decompress_struct *info, Errors *errors) {
  memset(info, 0, sizeof *info);
  info->err = jpeg_std_error(&errors->base);
  errors->base.error_exit = leave;
  errors->base.emit_message = leave_on_warning;
}

/* Read the header; 0 where the file is none of the simple ones. */
static int read_header(struct jpeg_decompress_struct *info, const uint8_t *content, size_t size) {
  jpeg_create_decompress(info);
  jpeg_mem_src(info, content, (unsigned long)size);
  jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF); /* Exif and XMP may turn the picture */
  if (jpeg_read_header(info, TRUE) != JPEG_HEADER_OK) return 0;
  const int is_colour = info->num_components == 3 && info->jpeg_color_space == JCS_YCbCr;
  const int is_grey = info->num_components == 1 && info->jpeg_color_space == JCS_GRAYSCALE;
  return !info->marker_list && (is_colour || is_grey) && info->data_precision == 8 && !info->progressive_mode &&
         !info->arith_code && !jpeg_has_multiple_scans(info) && info->image_width <= MAX_EDGE &&
         info->image_height <= MAX_EDGE;
}

/* Whether no marker but restarts comes before the last two bytes, the end of the image: whoever decodes a part alone
   would not see another one behind it, at which whoever decodes all gives up. */
static int is_one_scan(const uint8_t *byte, const uint8_t *end) {
  while (end - byte >= 2 && (byte = memchr(byte, 0xFF, (size_t)(end - byte))) && end - byte >= 2) {
    const uint8_t code = byte[1];
    if (code == JPEG_EOI) return byte + 2 == end;
    if (code != 0 && code != 0xFF && (code < JPEG_RST0 || code > JPEG_RST0 + 7)) return 0;
    byte += code == 0xFF ? 1 : 2;
  }
  return 0;
}

/* Give the stored size of a file that utp_jpeg_decode takes. */
EXPORT int utp_jpeg_size(const uint8_t *content, int64_t size, int64_t *height, int64_t *width) {
  struct jpeg_decompress_struct info;
  Errors errors;
  volatile int status = DECLINED;
  if (!content || size < 4 || size > INT32_MAX) return DECLINED;
  start(&info, &errors);
  if (!setjmp(errors.jump) && read_header(&info, content, (size_t)size) &&
      is_one_scan(info.src->next_input_byte, content + size)) {
    *height = info.image_height;
    *width = info.image_width;
    status = DONE;
  }
  jpeg_destroy_decompress(&info);
  return status;
}

static int decode(struct jpeg_decompress_struct *info, uint8_t *volatile *line, int64_t top, int64_t left,
                  int64_t box_height, int64_t box_width, uint8_t *out) {
  HuffmanReader reader;
  info->out_color_space = JCS_RGB;
  if (!jpeg_start_decompress(info) || info->output_components != 3) return DECLINED;
  utp_use_huffman_reader(info, &reader);
  const int64_t height = info->output_height, width = info->output_width;
  if (top > height - box_height || left > width - box_width) return DECLINED;
  const int64_t first = left > MARGIN ? left - MARGIN : 0;
  const int64_t end = left + box_width + MARGIN < width ? left + box_width + MARGIN : width;
  JDIMENSION x = (JDIMENSION)first, num = (JDIMENSION)(end - first);
  if (num < (JDIMENSION)width) jpeg_crop_scanline(info, &x, &num); /* moves x down to the edge of a block */
  if (x > left || x + (int64_t)num < left + box_width || num != info->output_width) return DECLINED;
  *line = malloc((size_t)num * 3);
  if (!*line) return DECLINED;
  const int64_t skipped = top > MARGIN ? top - MARGIN : 0;
  if (skipped && jpeg_skip_scanlines(info, (JDIMENSION)skipped) != (JDIMENSION)skipped) return DECLINED;
  for (int64_t y = skipped; y < top + box_height; y++) {
    JSAMPROW row = *line;
    if (jpeg_read_scanlines(info, &row, 1) != 1) return DECLINED;
    if (y >= top) memcpy(out + (y - top) * box_width * 3, row + (left - x) * 3, (size_t)box_width * 3);
  }
  return DONE;
}

/* Decode the box, in pixels of the picture at 1/divisor, to out (box_height, box_width, 3). */
EXPORT int utp_jpeg_decode(const uint8_t *content, int64_t size, int divisor, int64_t top, int64_t left,
                           int64_t box_height, int64_t box_width, uint8_t *out) {
  struct jpeg_decompress_struct info;
  Errors errors;
  uint8_t *volatile line = NULL; /* volatile: it is set between setjmp and longjmp */
  volatile int status = DECLINED;
  if (!content || !out || size < 4 || size > INT32_MAX || top < 0 || left < 0 || box_height < 1 || box_width < 1 ||
      box_height > MAX_EDGE || box_width > MAX_EDGE || (divisor != 1 && divisor != 2 && divisor != 4 && divisor != 8))
    return DECLINED;
  start(&info, &errors);
  if (!setjmp(errors.jump) && read_header(&info, content, (size_t)size)) {
    info.scale_num = 1;
    info.scale_denom = (unsigned)divisor;
    status = decode(&info, &line, top, left, box_height, box_width, out);
  }
  free(line);
  jpeg_destroy_decompress(&info);
  return status;
}

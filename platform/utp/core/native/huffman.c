/* Reads the coefficients of a baseline JPEG faster than libjpeg, which turns them into pixels as ever.

   What makes it fast: 8 bytes at a time where none of them is 0xFF, and one look into a table says how many bits code and
   value take, so that the next look need not wait for the value. Whatever is odd (a code that does not exist, more than
   64 coefficients, data that ends too early) goes to the error manager, and so to Pillow: what is accepted has the
   coefficients that libjpeg reads, ITU T.81, F.2.2. */
#include "huffman.h"

#include <string.h>

#if defined __has_include
#if __has_include(<jpegint.h>)
#define HAS_INTERNALS
#endif
#endif

#ifndef HAS_INTERNALS

void utp_use_huffman_reader(struct jpeg_decompress_struct *info, HuffmanReader *reader) {
  (void)info;
  (void)reader;
}

#else

#define JPEG_INTERNALS
#include <jpegint.h>

enum { LOOK = 12, NUM_LOOKS = 1 << LOOK, MAX_CODE = 16, NUM_SYMBOLS = 256 };

/* An entry of a table: bits that code and value take in 0-4, of the value alone in 5-8, run in 9-12; 0: a longer code. */
enum { TOTAL_MASK = 31, SIZE_SHIFT = 5, RUN_SHIFT = 9, NIBBLE = 15 };

typedef struct {
  JHUFF_TBL of; /* what it was made of: tables of one camera, or of none that chose its own, are the same */
  int is_made;
  uint16_t look[NUM_LOOKS];
  int32_t max_code[MAX_CODE + 1]; /* of each length; -1 where there is none */
  int32_t offset[MAX_CODE + 1];   /* of a symbol, to its code */
} Table;

static _Thread_local Table tables[2 * NUM_HUFF_TBLS]; /* of DC, then of AC */

/* Zigzag to row by row, ITU T.81, figure A.6. */
static const uint8_t NATURAL[DCTSIZE2] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

static inline unsigned entry_of(int length, int symbol) {
  const int size = symbol & NIBBLE, run = symbol >> 4;
  return (unsigned)(length + size) | (unsigned)size << SIZE_SHIFT | (unsigned)run << RUN_SHIFT;
}

/* Codes of one length count up; each length goes on at twice the last. 0 where they are more than fit. */
static int make_table(Table *table, const JHUFF_TBL *of, int is_dc) {
  memset(table, 0, sizeof *table);
  int32_t code = 0;
  int index = 0;
  for (int length = 1; length <= MAX_CODE; length++, code <<= 1) {
    table->offset[length] = index - code;
    for (int count = of->bits[length]; count > 0; count--, code++, index++) {
      if (index >= NUM_SYMBOLS || code >= 1 << length) return 0;
      const int symbol = of->huffval[index];
      if (is_dc && symbol > 15) return 0;
      if (length > LOOK) continue;
      const uint32_t first = (uint32_t)code << (LOOK - length);
      for (uint32_t bits = first; bits < first + (1u << (LOOK - length)); bits++)
        table->look[bits] = (uint16_t)entry_of(length, symbol);
    }
    table->max_code[length] = of->bits[length] ? code - 1 : -1;
  }
  table->of = *of;
  return table->is_made = 1;
}

static const Table *table_of(const JHUFF_TBL *wanted, int number, int is_dc) {
  Table *table = &tables[number + (is_dc ? 0 : NUM_HUFF_TBLS)];
  const int is_same = table->is_made && !memcmp(table->of.bits, wanted->bits, sizeof wanted->bits) &&
                      !memcmp(table->of.huffval, wanted->huffval, sizeof wanted->huffval);
  return is_same || make_table(table, wanted, is_dc) ? table : NULL;
}

/* Byte by byte, a zero behind 0xFF left out; at a marker or the end, zeros that are counted. */
static BitReader refilled_slowly(BitReader at) {
  /* What lies below num_bits is of bytes that come now once more. */
  at.bits = at.num_bits ? at.bits >> (64 - at.num_bits) << (64 - at.num_bits) : 0;
  while (at.num_bits <= 56) {
    uint64_t byte = 0;
    const int64_t left = at.end - at.next;
    if (left > 0 && *at.next != 0xFF) {
      byte = *at.next++;
    } else if (left > 1 && at.next[1] == 0) {
      byte = 0xFF;
      at.next += 2;
    } else {
      at.num_padded += 8;
    }
    at.bits |= byte << (56 - at.num_bits);
    at.num_bits += 8;
  }
  return at;
}

/* Give 56 bits at least. By value, as all here: behind a pointer they would not stay in registers. */
static inline BitReader refilled(BitReader at) {
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (at.end - at.next >= 8) {
    uint64_t word;
    memcpy(&word, at.next, sizeof word);
    const uint64_t zeros = ~word; /* zero where a byte is 0xFF */
    if (!((zeros - 0x0101010101010101u) & ~zeros & 0x8080808080808080u)) {
      at.bits |= __builtin_bswap64(word) >> at.num_bits;
      at.next += (63 - at.num_bits) >> 3;
      at.num_bits |= 56; /* the whole bytes that fit */
      return at;
    }
  }
#endif
  return refilled_slowly(at);
}

/* The entry of the code that comes next, found length by length; 0 where there is none. */
static unsigned long_entry(const Table *table, uint64_t bits) {
  for (int length = LOOK + 1; length <= MAX_CODE; length++) {
    const int32_t code = (int32_t)(bits >> (64 - length));
    if (code <= table->max_code[length]) return entry_of(length, table->of.huffval[code + table->offset[length]]);
  }
  return 0;
}

static inline unsigned next_entry(const Table *table, uint64_t bits) {
  const unsigned entry = table->look[bits >> (64 - LOOK)];
  return entry ? entry : long_entry(table, bits);
}

/* The value at the end of the first `total` bits, ITU T.81, F.2.2.1; `size` is not 0. */
static inline int value_of(uint64_t bits, unsigned total, unsigned size) {
  const int mask = (1 << size) - 1, raw = (int)(bits >> (64 - total)) & mask;
  return raw - (raw >> (size - 1) ? 0 : mask);
}

/* Read a block, into `block` (zeros before) unless it is NULL; 0 where it is not sound. */
static inline int read_block(BitReader *reader, const Table *dc, const Table *ac, int *last_dc, JCOEF *block) {
  BitReader at = refilled(*reader);
  unsigned entry = next_entry(dc, at.bits);
  unsigned total = entry & TOTAL_MASK, size = entry >> SIZE_SHIFT & NIBBLE;
  if (!entry) return 0;
  if (size) *last_dc += value_of(at.bits, total, size);
  if (*last_dc < INT16_MIN || *last_dc > INT16_MAX) return 0;
  if (block) block[0] = (JCOEF)*last_dc;
  for (int k = 1;; k++) {
    at.bits <<= total;
    at.num_bits -= (int)total;
    if (k == DCTSIZE2) break;
    if (at.num_bits < MAX_CODE + 15) at = refilled(at); /* what code and value take at most */
    entry = next_entry(ac, at.bits);
    total = entry & TOTAL_MASK;
    size = entry >> SIZE_SHIFT & NIBBLE;
    k += (int)(entry >> RUN_SHIFT);
    if (size == 0) {
      if (entry >> RUN_SHIFT == 0) { /* the end of the block */
        at.bits <<= total;
        at.num_bits -= (int)total;
        if (!entry) return 0;
        break;
      }
      if (entry >> RUN_SHIFT != 15 || k >= DCTSIZE2 - 1) return 0;
      continue;
    }
    if (k >= DCTSIZE2) return 0;
    if (block) block[NATURAL[k]] = (JCOEF)value_of(at.bits, total, size);
  }
  *reader = at;
  return 1;
}

/* In libjpeg's place; without blocks, and beside the columns that become pixels, what there is is passed over. */
static boolean decode_mcu(j_decompress_ptr info, JBLOCKROW *blocks) {
  HuffmanReader *reader = info->client_data;
  int is_sound = 1;
  const JDIMENSION column = reader->column;
  reader->column = column + 1 == info->MCUs_per_row ? 0 : column + 1;
  if (column < info->master->first_iMCU_col || column > info->master->last_iMCU_col) blocks = NULL;
  for (int number = 0; number < info->blocks_in_MCU && is_sound; number++) {
    const int component = info->MCU_membership[number];
    const jpeg_component_info *of = info->cur_comp_info[component];
    const Table *dc = &tables[of->dc_tbl_no], *ac = &tables[of->ac_tbl_no + NUM_HUFF_TBLS];
    JCOEF *block = blocks ? *blocks[number] : NULL;
    is_sound = block ? read_block(&reader->at, dc, ac, &reader->last_dc[component], block)
                     : read_block(&reader->at, dc, ac, &reader->last_dc[component], NULL);
  }
  if (!is_sound || reader->at.num_bits < reader->at.num_padded) info->err->error_exit((j_common_ptr)info);
  return TRUE;
}

void utp_use_huffman_reader(struct jpeg_decompress_struct *info, HuffmanReader *reader) {
  if (info->restart_interval || info->progressive_mode || info->arith_code || info->data_precision != 8) return;
  for (int number = 0; number < info->comps_in_scan; number++) {
    const jpeg_component_info *of = info->cur_comp_info[number];
    const JHUFF_TBL *dc = info->dc_huff_tbl_ptrs[of->dc_tbl_no], *ac = info->ac_huff_tbl_ptrs[of->ac_tbl_no];
    if (!dc || !ac || !table_of(dc, of->dc_tbl_no, 1) || !table_of(ac, of->ac_tbl_no, 0)) return;
  }
  memset(reader, 0, sizeof *reader);
  reader->at.next = info->src->next_input_byte;
  reader->at.end = reader->at.next + info->src->bytes_in_buffer;
  info->client_data = reader;
  info->entropy->decode_mcu = decode_mcu;
}

#endif

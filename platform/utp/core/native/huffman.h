/* The entropy decoder of jpeg.c. */
#ifndef UTP_HUFFMAN_H
#define UTP_HUFFMAN_H
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

/* Where a scan is being read. */
typedef struct {
  const uint8_t *next, *end;
  uint64_t bits;  /* the next ones, the first on top */
  int num_bits;   /* of them that are read; what lies below may be bits of the next byte */
  int num_padded; /* of them that no byte gave */
} BitReader;

/* Lives as long as the decoding. */
typedef struct {
  BitReader at;
  JDIMENSION column; /* of the next MCU */
  int last_dc[MAX_COMPS_IN_SCAN];
} HuffmanReader;

/* Have libjpeg read the scan that it has just started through our decoder, where it is one that this can read. */
void utp_use_huffman_reader(struct jpeg_decompress_struct *info, HuffmanReader *reader);

#endif

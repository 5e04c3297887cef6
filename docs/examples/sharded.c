/* One sequence over the processes of MPI, as context-parallel engines cut it: each process rotates the tokens it holds,
 * by their positions in the whole sequence. Process 0 gathers them and compares with what one process makes of the
 * whole: the same bits.
 *
 *   mpirun -n 4 sharded contiguous|zigzag
 *
 * contiguous: process r holds the r-th of n parts. zigzag: of 2 n parts, the r-th and the (2 n - 1 - r)-th, so that
 * causal attention costs all processes the same. */
#include <mpi.h>
#include <simdrope/simdrope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = 256, HEADS = 4, HEAD_DIM = 64, TOKEN = HEADS * HEAD_DIM };

static void stop(const char* message) {
  fprintf(stderr, "sharded: %s\n", message);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static int same_bits(const void* a, const void* b, size_t bytes) { return memcmp(a, b, bytes) == 0; }

/* Rotates `tokens` tokens in place, token t by ids[t]; ids NULL: by t. */
static void rotate(const simdrope_rope* rope, float* data, const int64_t* ids, int64_t tokens) {
  simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv qkv = SIMDROPE_QKV_INIT;
  rows.rope = rope;
  rows.positions.ids = ids;
  rows.positions.ids_seq = tokens;
  qkv.q.data = data;
  qkv.q.batch = 1;
  qkv.q.seq = tokens;
  qkv.q.heads = HEADS;
  qkv.q.head_dim = qkv.q.head_stride = HEAD_DIM;
  qkv.q.seq_stride = TOKEN;
  qkv.q.batch_stride = tokens * TOKEN;
  if (simdrope_apply(&rows, &qkv, NULL, NULL) != SIMDROPE_OK) stop(simdrope_last_error());
}

/* The positions of the tokens that process `rank` of `count` holds. */
static int64_t positions_of(int zigzag, int rank, int count, int64_t* ids) {
  const int64_t parts = zigzag ? 2 * count : count, length = TOKENS / parts;
  int64_t n = 0, part, i;
  for (part = 0; part < parts; ++part) {
    if (part != rank && !(zigzag && part == parts - 1 - rank)) continue;
    for (i = 0; i < length; ++i) ids[n++] = part * length + i;
  }
  return n;
}

int main(int argc, char** argv) {
  static float whole[TOKENS * TOKEN], gathered[TOKENS * TOKEN], own[TOKENS * TOKEN];
  int64_t ids[TOKENS], tokens, i;
  simdrope_config config;
  simdrope_rope* rope = NULL;
  int rank, count, zigzag, r, same = 1;

  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &count);
  if (argc != 2 || (strcmp(argv[1], "contiguous") != 0 && strcmp(argv[1], "zigzag") != 0))
    stop("contiguous or zigzag?");
  if (TOKENS % (2 * count) != 0) stop("twice the processes have to divide 256");
  zigzag = strcmp(argv[1], "zigzag") == 0;

  simdrope_config_init(&config);
  config.head_dim = HEAD_DIM;
  if (simdrope_rope_create(&config, &rope) != SIMDROPE_OK) stop(simdrope_last_error());

  /* Any values that all processes know; an engine has its own part alone. */
  srand(1);
  for (i = 0; i < TOKENS * TOKEN; ++i) whole[i] = (float)rand() / (float)RAND_MAX - 0.5f;

  tokens = positions_of(zigzag, rank, count, ids);
  for (i = 0; i < tokens; ++i) memcpy(own + i * TOKEN, whole + ids[i] * TOKEN, TOKEN * sizeof(float));
  rotate(rope, own, ids, tokens);

  /* Parts arrive in the order of processes; back to the order of positions. */
  MPI_Gather(own, (int)(tokens * TOKEN), MPI_FLOAT, gathered, (int)(tokens * TOKEN), MPI_FLOAT, 0, MPI_COMM_WORLD);
  if (rank == 0) {
    rotate(rope, whole, NULL, TOKENS);
    for (r = 0; r < count; ++r) {
      tokens = positions_of(zigzag, r, count, ids);
      for (i = 0; i < tokens; ++i) {
        same &= same_bits(gathered + (r * tokens + i) * TOKEN, whole + ids[i] * TOKEN, TOKEN * sizeof(float));
      }
    }
    printf("%s over %d processes: %s\n", argv[1], count, same ? "the same bits as one process" : "DIFFERENT");
  }
  simdrope_rope_release(rope);
  MPI_Finalize();
  return !same;
}

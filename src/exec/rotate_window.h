// The rotation of a tile where it is more than one of the kernels': pairs inside blocks, or two elements of a pair with
// a cos and a sin each.
#ifndef SIMDROPE_EXEC_ROTATE_WINDOW_H_
#define SIMDROPE_EXEC_ROTATE_WINDOW_H_

#include "core/config.h"
#include "kernels/tile.h"

namespace simdrope::impl {

// cos and sin: a row of Window::columns columns, negated already for the inverse. With full_width the output has the
// window's pairing.
void RotateWindow(const TileKernels& kernels, const Window& window, simdrope_pairing output_pairing, bool inverse,
                  const Tile& tile, const float* cos, const float* sin);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_ROTATE_WINDOW_H_

// Package bwe estimates what one viewer's path carries, from the sender's side,
// and plans the probes that find out whether it carries more.
//
// An Estimator combines three things. The delay-based part
// (draft-ietf-rmcat-gcc-02 section 5, with a trendline) sees the bottleneck's
// queue grow and lowers the estimate to what the bottleneck lets through. The
// queue is measured as the least delay of the last moments over the least of the
// last half minute: jitter spares some packets, a queue none, and the burst of a
// keyframe is gone too soon to count. The loss-based part (section 6) acts only on
// loss above a tenth that chance does not explain, and takes back what it did
// where that left the loss as it was. The third are proofs: clusters of padding,
// and whatever arrives without a queue, raise the estimate at once. Beyond what
// is proven it does not grow, because a sender of layers is nearly always limited
// by the layer and not by the path.
//
// Everything is pure: no goroutine, clock, lock or I/O. Whoever owns a viewer
// hands over what was sent, what came back and the time, and reads the estimate.
package bwe

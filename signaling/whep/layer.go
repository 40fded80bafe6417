package whep

import (
	"net/http"
	"slices"
	"time"

	"github.com/freshet-live/freshet/internal/httpx"
	"github.com/freshet-live/freshet/sfu/forward"
	"github.com/freshet-live/freshet/sfu/media"
)

const relLayer = "urn:ietf:params:whep:ext:core:layer"

// layerRequest is the body of a POST to the layer resource (E60). MediaID is
// the mid of a media section; alone it means the automatic choice.
type layerRequest struct {
	MediaID            string `json:"mediaId"`
	RID                string `json:"rid"`
	SpatialLayerID     *int   `json:"spatialLayerId"`
	TemporalLayerID    *int   `json:"temporalLayerId"`
	MaxSpatialLayerID  *int   `json:"maxSpatialLayerId"`
	MaxTemporalLayerID *int   `json:"maxTemporalLayerId"`
	MaxWidth           *int   `json:"maxWidth"`
	MaxHeight          *int   `json:"maxHeight"`
}

// postLayer chooses the viewer's video Layer.
func (h *Handler) postLayer(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Find(r)
	if err != nil {
		return err
	}
	if err := httpx.Take(s.Changes, time.Now()); err != nil {
		return err
	}
	var req layerRequest
	if err := httpx.ReadJSON(w, r, &req); err != nil {
		return err
	}
	if err := req.check(); err != nil {
		return err
	}
	var limit forward.Limit
	switch req.MediaID {
	case s.Peer.videoMID:
		snap, _ := s.Peer.Watch()
		if limit, err = req.limit(snap); err != nil {
			return err
		}
	case s.Peer.audioMID:
		if !req.automatic() {
			return httpx.Fail(http.StatusConflict, "the audio has no layers to choose from")
		}
		w.WriteHeader(http.StatusOK)
		return nil
	default:
		return httpx.Fail(http.StatusBadRequest, "mediaId %.40q is no mid of this session", req.MediaID)
	}
	if err := s.Peer.SetLimit(limit); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// check refuses values that no stream can satisfy.
func (q layerRequest) check() error {
	if q.MediaID == "" {
		return httpx.Fail(http.StatusBadRequest, "mediaId is missing")
	}
	for name, v := range map[string]*int{
		"spatialLayerId": q.SpatialLayerID, "temporalLayerId": q.TemporalLayerID,
		"maxSpatialLayerId": q.MaxSpatialLayerID, "maxTemporalLayerId": q.MaxTemporalLayerID,
	} {
		if v != nil && (*v < 0 || *v > 7) {
			return httpx.Fail(http.StatusBadRequest, "%s must be from 0 to 7", name)
		}
	}
	for name, v := range map[string]*int{"maxWidth": q.MaxWidth, "maxHeight": q.MaxHeight} {
		if v != nil && (*v < 1 || *v > 1<<16) {
			return httpx.Fail(http.StatusBadRequest, "%s must be from 1 to 65536", name)
		}
	}
	return nil
}

func (q layerRequest) automatic() bool { return q == layerRequest{MediaID: q.MediaID} }

// limit says to the Selector what a request says. Of Layers that are not there
// the error is a 409: later they may be.
func (q layerRequest) limit(snap *media.Snapshot) (forward.Limit, error) {
	var l forward.Limit
	if err := q.temporal(snap, &l); err != nil {
		return l, err
	}
	switch {
	case q.RID != "":
		known := slices.ContainsFunc(snap.Video, func(v *media.Layer) bool { return v.RID == q.RID })
		if !known {
			return l, httpx.Fail(http.StatusConflict, "the stream has no layer with rid %.40q at present", q.RID)
		}
		l.RID = q.RID
	case q.SpatialLayerID != nil:
		i := *q.SpatialLayerID
		if i >= len(snap.Video) {
			return l, httpx.Fail(http.StatusConflict, "the stream has %d spatial layers at present", len(snap.Video))
		}
		l.RID = snap.Video[i].RID
	}
	if q.MaxSpatialLayerID != nil {
		l.Ranks = *q.MaxSpatialLayerID + 1
	}
	if q.MaxWidth != nil {
		l.MaxWidth = *q.MaxWidth
	}
	if q.MaxHeight != nil {
		l.MaxHeight = *q.MaxHeight
	}
	return l, nil
}

// temporal says how many temporal layers a request allows. Only VP8 can be
// thinned, and only a layer that is there can be chosen; a bound holds for what
// comes later too.
func (q layerRequest) temporal(snap *media.Snapshot, l *forward.Limit) error {
	if q.TemporalLayerID == nil && q.MaxTemporalLayerID == nil {
		return nil
	}
	most := 0
	for _, v := range snap.Video {
		if v.Codec.Name != media.VP8 {
			return httpx.Fail(http.StatusConflict, "temporal layers of %s cannot be chosen", v.Codec.Name)
		}
		status := v.Status()
		layers, _ := status.Temporal(0)
		most = max(most, layers)
	}
	if id := q.TemporalLayerID; id != nil {
		if *id >= most {
			return httpx.Fail(http.StatusConflict, "the stream has %d temporal layers at present", most)
		}
		l.Temporal = *id + 1
	}
	if id := q.MaxTemporalLayerID; id != nil && (l.Temporal == 0 || *id < l.Temporal) {
		l.Temporal = *id + 1
	}
	return nil
}

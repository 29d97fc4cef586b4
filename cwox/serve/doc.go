// Package serve is the web page and its programming interface: a classifier's answers explained
// while somebody changes what is asked, on a standard library server with everything embedded.
//
//	s, err := serve.New(serve.Config{Classifier: c, Options: options})
//	l, err := net.Listen("tcp", "127.0.0.1:0")
//	err = s.Serve(ctx, l) // until ctx ends
//
// Words: a picture is what was uploaded, held in memory under the SHA-256 of its file; a job is one
// question about a picture, with its settings and, in the end, its explanation; a probe is a
// picture with a part of it erased. The engine computes, one thing at a time: see engine.
//
// # The interface
//
//	GET    /healthz                   {"ok":true,"waiting":0}
//	GET    /api/model                 what is explained and how: names, classes, layers, limits, examples
//	POST   /api/explain               multipart/form-data: image (a file), or of (the id of a job,
//	                                  whose picture is meant) or example (its number), and settings
//	                                  (JSON); 202 {"id"}
//	GET    /api/jobs/ID               {"state","error"?,"result"?}
//	GET    /api/jobs/ID/events        server-sent events: queued {"ahead"}, progress {"done","total"},
//	                                  partial RESULT, done RESULT, failed {"error"}, cancelled {}
//	DELETE /api/jobs/ID               cancels it; one that has ended is forgotten
//	POST   /api/jobs/ID/probe         a mask [height][width] of the network's input, a byte a pixel, 255
//	                                  leaves it, 0 erases it; {"classes":[...],"top":[...]}
//	POST   /api/jobs/ID/curve         {"map":"class/486","points":33}: a line of JSON a point, from nothing
//	                                  erased to everything, the map's strongest pixels first
//	GET    /api/jobs/ID/picture       the picture, as JPEG, at most 1024 pixels a side
//	GET    /api/jobs/ID/report.zip    a folder NAME that 'cwox verify NAME' accepts, and the picture
//	GET    /api/examples/N            an example's thumbnail
//	POST   /api/session               a cookie for /folder/, which holds the folder's own pages
//
// RESULT is report.json (package report) and {"maps":{"class/486":{"max","png"}}, "levels":[...],
// "settings":{...}}: a png, base64, has the levels 0 to 255 of 0 to max; levels are the clusters at
// every level of the label tree. Errors are {"error"}: 400 a setting or a body that makes no sense,
// 401 no token, 403 a foreign Host or Origin, 404 a job that is not here any more, 413 a picture over
// a limit, 422 no picture, 429 too much to do (Retry-After says when).
//
// # Security
//
// Who is not on this machine needs a token, which is compared in constant time. A request that
// names another host than those the server is known by, as one that a foreign page makes under a
// name of its own does, is refused, and so is one of a foreign origin. Sizes are limited before
// bytes are read, and pixels before they are decoded. Nothing changes on GET. Nothing that a client
// says names a file. Pictures lie in memory alone, and the least recently used are forgotten.
package serve

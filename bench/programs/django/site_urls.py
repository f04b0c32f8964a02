from django.urls import path
from drf_chunked_upload.views import ChunkedUploadView
from library.views import MediaFileList

urlpatterns = [
    path("files", MediaFileList.as_view()),
    path("uploads/", ChunkedUploadView.as_view(), name="chunkedupload-list"),
    path("uploads/<uuid:pk>/", ChunkedUploadView.as_view(), name="chunkedupload-detail"),
]

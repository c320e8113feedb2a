import { ProjectPage } from "@/features/project/project-page";

export default ProjectPage;
